/**
 * The jobs that come again and again: which, when, and the ways to change them.
 */
import '../elements/empty-state.js';
import { sentenceOf } from '../client/errors.js';
import { formDialog, questionDialog } from '../elements/dialog.js';
import { h, icon, setText } from '../elements/dom.js';
import { checkbox, field, input, select, sentence, textarea } from '../elements/fields.js';
import { fullTime, shortTime } from '../elements/format.js';
import { Keyed } from '../elements/keyed.js';
import { merchantField } from '../elements/merchant-field.js';
import { statusPill } from '../elements/status-pill.js';
import { HubError } from '../client/errors.js';
import { Followed } from '../state/followed.js';
import { taskTitle } from '../state/jobs.js';
import { queueTitle } from '../state/queues.js';

/** @type {[value: string, text: string][]} */
const MISSED = [
  ['once', 'One run for all that were missed'],
  ['skip', 'None of them'],
  ['all', 'Each of them'],
];

/**
 * @param {import('./shell.js').Context} context
 */
export function recurringPanel(context) {
  const { hub, commands, merchants, toasts, may } = context;
  /** @type {Followed<any> | null} */
  let followed = null;
  let merchantId = null;
  let end = () => {};
  const changeable = may('recurring.create');
  const form = recurringDialog(context, () => followed?.touch());
  const question = questionDialog({ submit: 'Remove', run: remove });
  const rows = h('ul', { class: 'recurring-rows', role: 'list', 'aria-label': 'Recurring jobs' });
  const list = new Keyed(rows, () =>
    recurringRow({
      changeable,
      toggle,
      edit: form.open,
      remove: (row) =>
        question.open(row, `Remove ${row.name}?`, 'It comes no more. Jobs that it has made stay.'),
      merchant: (id) => merchants.name(id),
    }),
  );
  /** @type {any} */
  const empty = h('empty-state', { hidden: true });
  const create = h(
    'button',
    {
      type: 'button',
      class: 'button primary',
      'aria-label': 'New recurring job',
      hidden: true,
      onclick: () => form.open(null),
    },
    icon('plus'),
    h('span', { class: 'action-label', text: 'New recurring job' }),
  );
  const element = h('div', { class: 'recurring' }, rows, empty);

  async function toggle(row) {
    const params = { id: row.id, is_active: !row.is_active };
    try {
      await commands.run('recurring.update', params, { ifMatch: row.version });
      toasts.say(`${row.name} ${row.is_active ? 'rests' : 'comes again'}`);
    } catch (error) {
      const detail = sentence(sentenceOf(error));
      toasts.say(`${row.name} is as it was`, { kind: 'problem', detail });
    }
    followed?.touch();
  }

  async function remove({ id, name, version }) {
    await commands.run('recurring.delete', { id }, { ifMatch: version });
    followed?.touch();
    toasts.say(`${name} was removed`);
  }

  function draw({ value, problem }) {
    const found = value?.recurring ?? [];
    rows.hidden = found.length === 0;
    empty.hidden = found.length > 0;
    list.show(found.map((row) => [row.id, row]));
    if (found.length > 0) return;
    if (value !== null) {
      empty.show({
        title: 'Nothing recurs yet',
        text: 'A template that goes out every Monday morning is a recurring job.',
        action: changeable ? { label: 'New recurring job', run: () => form.open(null) } : null,
      });
    } else if (problem) empty.show({ title: 'They could not be read', text: sentence(problem) });
    else empty.show({ title: 'Loading…' });
  }

  function stop() {
    end();
    followed?.stop();
    followed = null;
  }

  return {
    element,
    dialogs: h('div', {}, form.element, question.element),
    actions: changeable ? [create] : [],
    /** @param {boolean} seen whether it is looked at @param {string | null} whose */
    look(seen, whose) {
      create.hidden = !seen;
      if (seen && followed && whose === merchantId) return;
      stop();
      merchantId = whose;
      if (!seen) return;
      const params = whose === null ? {} : { merchant_id: whose };
      followed = new Followed(hub, {
        read: () => hub.call('recurring.list', params),
        // It has come again: when it comes next has changed.
        concerns: ({ type }) => type === 'job_queued',
      });
      end = followed.store.watch(draw);
    },
    leave: stop,
  };
}

function recurringRow({ changeable, toggle, edit, remove, merchant }) {
  /** @type {any} */
  let shown;
  const name = h('span', { class: 'job-name' });
  const second = h('span', { class: 'second' });
  const schedule = h('code', { class: 'recurring-schedule' });
  const zone = h('span', { class: 'second' });
  const next = h('span', { class: 'recurring-next' });
  const last = h('span', { class: 'second' });
  const pill = statusPill('active');
  const onoff = h('button', { type: 'button', class: 'icon-button', onclick: () => toggle(shown) });
  const acts = h(
    'span',
    { class: 'recurring-acts' },
    onoff,
    act('Change', 'edit', () => edit(shown)),
    act('Remove', 'trash', () => remove(shown)),
  );
  const element = h(
    'li',
    { class: 'recurring-row' },
    h('span', { class: 'job-what' }, name, second),
    h('span', {}, schedule, zone),
    h('span', {}, next, last),
    pill,
    changeable && acts,
  );
  return {
    element,
    show(row) {
      shown = row;
      setText(name, row.name);
      const parts = [merchant(row.merchant_id), queueTitle(row.queue), taskTitle(row.task)];
      setText(second, parts.filter(Boolean).join(' · '));
      setText(schedule, row.schedule);
      setText(zone, row.time_zone);
      setText(next, row.next_run_at ? `next ${shortTime(row.next_run_at)}` : 'not any more');
      next.title = row.next_run_at ? fullTime(row.next_run_at) : '';
      setText(last, row.last_run_at ? `last ${shortTime(row.last_run_at)}` : 'not yet');
      pill.show(row.is_active ? 'active' : 'inactive');
      onoff.replaceChildren(icon(row.is_active ? 'pause' : 'play'));
      onoff.setAttribute('aria-label', `${row.is_active ? 'Rest' : 'Come again'}: ${row.name}`);
    },
  };
}

function act(label, sign, onclick) {
  return h(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick },
    icon(sign),
  );
}

function recurringDialog(context, written) {
  const { commands, toasts } = context;
  const merchant = merchantField(context);
  const local = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  const fields = {
    name: field({ label: 'Name', pointer: '/name', control: input({ maxlength: '100' }) }),
    schedule: field({
      label: 'Schedule',
      pointer: '/schedule',
      control: input({ placeholder: '0 9 * * 1', spellcheck: 'false' }),
      hint: 'Minute, hour, day, month, weekday: 0 9 * * 1 is Monday at 9.',
    }),
    time_zone: field({
      label: 'Time zone',
      pointer: '/time_zone',
      control: input({ spellcheck: 'false' }),
    }),
    missed: field({ label: 'Missed runs', pointer: '/missed', control: select(MISSED) }),
    task: field({
      label: 'Task',
      pointer: '/task',
      control: select([
        ['bulk', taskTitle('bulk')],
        ['send', taskTitle('send')],
      ]),
    }),
    args: field({
      label: 'Arguments, as JSON',
      pointer: '/args',
      control: textarea({ rows: '5', spellcheck: 'false' }),
      hint: 'Of bulk: template, recipients, variables. Of send: to, and text or template.',
      wide: true,
    }),
  };
  const active = checkbox('It comes again');
  /** @type {any} */
  let changed = null;
  const dialog = formDialog({
    title: 'New recurring job',
    submit: 'Save',
    body: [
      merchant.element,
      h('div', { class: 'form-grid' }, ...Object.values(fields).map((each) => each.element)),
      active.element,
    ],
    run,
  });
  dialog.form.add(merchant.field, ...Object.values(fields));

  async function run() {
    const value = (name) => fields[name].control.value.trim();
    const params = {
      name: value('name'),
      schedule: value('schedule'),
      time_zone: value('time_zone'),
      missed: value('missed'),
      is_active: active.control.checked,
      args: parsed(value('args')),
    };
    if (changed === null) {
      const whose = merchant.params();
      await commands.run('recurring.create', { ...params, ...whose, task: value('task') });
    } else {
      const options = { ifMatch: changed.version };
      await commands.run('recurring.update', { ...params, id: changed.id }, options);
    }
    written();
    toasts.say(`${params.name} is saved`);
  }

  return {
    element: dialog.element,
    /** @param {any} row null for a new one */
    open(row) {
      changed = row;
      merchant.show();
      merchant.element.hidden = merchant.element.hidden || row !== null;
      fields.name.control.value = row?.name ?? '';
      fields.schedule.control.value = row?.schedule ?? '';
      fields.time_zone.control.value = row?.time_zone ?? local;
      fields.missed.control.value = row?.missed ?? 'once';
      fields.task.control.value = row?.task ?? 'bulk';
      fields.task.control.disabled = row !== null;
      fields.args.control.value = JSON.stringify(row?.args ?? {}, null, 2);
      active.control.checked = row?.is_active ?? true;
      dialog.open(row ? `Change ${row.name}` : 'New recurring job');
      fields.name.control.focus();
    },
  };
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text || '{}');
  } catch (error) {
    const errors = [{ pointer: '/args', message: `this is no JSON: ${error.message}` }];
    throw new HubError('the arguments are no JSON', { code: 'invalid_params', errors });
  }
}

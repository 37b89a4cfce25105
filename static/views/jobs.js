/**
 * Jobs: the four queues, what is in them, and what may be done about it; and the jobs that recur.
 */
import '../elements/job-list.js';
import '../elements/list-state.js';
import '../elements/queue-cards.js';
import '../elements/reading-status.js';
import { sentenceOf } from '../client/errors.js';
import { questionDialog } from '../elements/dialog.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted } from '../elements/format.js';
import { sentence } from '../elements/fields.js';
import { tabs } from '../elements/tabs.js';
import { choice, toolbar } from '../elements/toolbar.js';
import { Collection } from '../state/collection.js';
import {
  ACTS,
  ALLOWED,
  jobQuestion,
  manyParams,
  newestFirst,
  Progress,
  STATES,
} from '../state/jobs.js';
import { hindrance, moved, queuePoll, queueTitle, QUEUE_TITLES } from '../state/queues.js';
import { attend, showReading } from './attention.js';
import { jobDrawer } from './job-detail.js';
import { recurringPanel } from './recurring.js';

const TICK_MS = 1_000;

/** @type {Record<string, string>} */
const DONE = { retry: 'to be done again', cancel: 'cancelled', discard: 'discarded' };

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function jobsView(context) {
  const { hub, commands, connection, merchants, session, stream, toasts, adjust, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const changeable = may('jobs.cancel');
  const jobs = new Collection(hub, { plural: 'jobs', compare: newestFirst });
  const poll = queuePoll(hub, () => filter.merchantId);
  const progress = new Progress();
  let filter = { queue: '', state: '', parent: '', merchantId: null };
  let opened = '';
  let showing = 'jobs';
  /** @type {import('../state/queues.js').Stats | null} */
  let before = null;

  const cards = h('queue-cards');
  cards.allow(may('queues.pause'));
  const hurdle = h('p', { class: 'job-hindrance', role: 'status', hidden: true });
  const queue = choice({
    label: 'Queue',
    options: [['', 'All queues'], ...Object.entries(QUEUE_TITLES)],
    choose: (value) => adjust({ queue: value || null }),
  });
  const state = choice({
    label: 'State',
    options: [['', 'All states'], ...STATES.map((each) => [each, sentence(each)])],
    choose: (value) => adjust({ state: value || null }),
  });
  const parent = h(
    'button',
    {
      type: 'button',
      class: 'chip',
      'aria-pressed': 'true',
      onclick: () => adjust({ parent: null }),
    },
    'Parts of one job',
    icon('close'),
  );
  const acts = ACTS.map(([verb, label, sign]) => {
    const text = h('span', { text: label });
    const button = h(
      'button',
      { type: 'button', class: 'button small', 'data-act': verb, onclick: () => ask(verb) },
      icon(sign),
      text,
    );
    return { verb, label, button, text };
  });
  const actions = h(
    'div',
    { class: 'job-acts', role: 'group', 'aria-label': 'What to do with them' },
    ...acts.map(({ button }) => button),
  );
  const list = h('job-list');
  list.allow(changeable);
  const face = h('list-state');
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    hidden: true,
    onclick: () => jobs.more('all'),
  });
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const question = questionDialog({ submit: 'Do it', keep: 'Leave them', run: act });
  const drawer = jobDrawer(context, {
    progress,
    close: () => adjust({ job: null }),
    done: (id, verb) => {
      if (verb === 'discard') {
        jobs.drop(id);
        adjust({ job: null });
      }
      poll.refresh();
    },
    parts: (id) => adjust({ parent: id, job: null, queue: null, state: null }),
    open: (id) => adjust({ job: id }),
  });
  const recurring = recurringPanel(context);
  const tools = toolbar(queue.element, state.element, parent, actions);
  actions.hidden = !changeable;
  const listed = h('div', { class: 'job-listed' }, list, face, more);
  const sides = tabs(
    'Jobs',
    [
      { name: 'jobs', text: 'Jobs', panel: listed },
      { name: 'recurring', text: 'Recurring', panel: recurring.element },
    ],
    (name) => name !== showing && adjust({ show: name === 'jobs' ? null : name, job: null }),
  );
  const element = h(
    'div',
    { class: 'screen jobs' },
    h('div', { class: 'job-tools' }, sides.element, cards, hurdle, tools),
    h('div', { class: 'screen-list' }, listed, recurring.element),
    drawer.element,
    h('footer', { class: 'status' }, reading, count),
    question.element,
    recurring.dialogs,
  );

  /** Those that are chosen, or all that are asked for. */
  function subject() {
    const ids = new Set(list.chosen);
    const chosen = jobs.store.value.rows.filter(({ id }) => ids.has(id));
    const all = admin ? merchants.store.value.list.map(({ id }) => id) : [];
    return manyParams(filter, chosen, all);
  }

  function ask(verb) {
    const ids = list.chosen;
    const what = ids.length > 0 ? counted(ids.length, 'job') : described();
    const follows = {
      retry: 'They are queued again, with all their attempts.',
      cancel: 'Those that wait never run, those that run are told to end.',
      discard: 'They are gone from the history; what they did stays.',
    };
    const title = `${sentence(verb)} ${what}?`;
    question.open({ verb, calls: subject() }, title, follows[verb]);
  }

  function described() {
    const parts = ['all', filter.state, filter.queue && `jobs of ${queueTitle(filter.queue)}`];
    return filter.queue ? parts.filter(Boolean).join(' ') : `all ${filter.state} jobs`;
  }

  async function act({ verb, calls }) {
    let changed = 0;
    let left = 0;
    for (const params of calls) {
      const result = await commands.run(`jobs.${verb}_all`, params);
      changed += result.count;
      left += result.left;
    }
    list.clear();
    jobs.reload();
    poll.refresh();
    const rest = left > 0 ? `${counted(left, 'job')} are left: do it once more.` : '';
    toasts.say(`${counted(changed, 'job')} ${changed === 1 ? 'is' : 'are'} ${DONE[verb]}`, {
      detail: rest,
    });
  }

  async function pause({ name, paused }) {
    const whose = filter.merchantId !== null && { merchant_id: filter.merchantId };
    try {
      await commands.run(paused ? 'queues.pause' : 'queues.resume', { name, ...whose });
      toasts.say(`${queueTitle(name)} ${paused ? 'stands still' : 'goes on'}`);
    } catch (error) {
      const detail = sentence(sentenceOf(error));
      toasts.say(`${queueTitle(name)} is as it was`, { kind: 'problem', detail });
    }
    poll.refresh();
  }

  const draw = oncePerFrame(() => {
    const value = jobs.store.value;
    const now = Date.now();
    element.classList.toggle('stale', showReading(reading, value, connection, now));
    const ofJobs = showing === 'jobs';
    cards.hidden = tools.hidden = !ofJobs;
    drawStats();
    const rows = value.rows.map((job) => progress.of(job));
    const asked = filter.queue !== '' || filter.state !== '' || filter.parent !== '';
    face.show(value, {
      shown: rows.length,
      what: 'jobs',
      empty: {
        title: asked ? 'No job matches' : 'There are no jobs yet',
        text: asked
          ? 'Nothing fits all that is asked for.'
          : 'A message to send, an order to process, a picture, a webhook to call: each is a job.',
        action: asked
          ? { label: 'Show all', run: () => adjust({ queue: null, state: null, parent: null }) }
          : null,
      },
      retry: () => jobs.reload(),
    });
    list.hidden = rows.length === 0;
    parent.hidden = filter.parent === '';
    const several = admin && filter.merchantId === null;
    const merchantName = (id) => (several ? merchants.name(id) : '');
    list.show(rows, { opened, merchantName, now });
    drawActs(rows);
    const { more: older = false, loading = false } = value.parts.all ?? {};
    more.hidden = !older || value.phase !== 'ready';
    setText(more, loading ? 'Loading…' : 'Show more');
    const all = `${counted(rows.length, 'job')}${older ? ', and more' : ''}`;
    setText(count, ofJobs && value.phase === 'ready' && rows.length ? all : '');
  });

  function drawActs(rows) {
    const chosen = new Set(list.chosen);
    const states = rows.filter(({ id }) => chosen.has(id)).map((job) => job.state);
    for (const { verb, label, button, text } of acts) {
      const fits = ALLOWED[verb];
      if (chosen.size > 0) {
        const fitting = states.filter(fits).length;
        button.hidden = false;
        button.disabled = fitting === 0;
        setText(text, `${label} ${fitting}`);
      } else {
        // All of a filter: where it says of which state, so that nobody discards what runs.
        button.hidden = filter.state === '' || !fits(filter.state) || rows.length === 0;
        button.disabled = false;
        setText(text, `${label} all`);
      }
    }
  }

  function drawStats() {
    const { value } = poll.store.value;
    cards.hidden = cards.hidden || value === null;
    const text = value === null ? '' : hindrance(value);
    setText(hurdle, text);
    hurdle.hidden = text === '';
    if (value !== null) cards.show(value.queues, filter.queue);
    queue.show(filter.queue);
    state.show(filter.state);
  }

  function counting({ value }) {
    // Deliveries and parts of a bulk send are told of by no event: the counts tell that they moved.
    if (moved(before, value)) jobs.reload();
    before = value;
    draw();
  }

  cards.addEventListener('choose', ({ detail }) => adjust({ queue: detail || null }));
  cards.addEventListener('pause', ({ detail }) => pause(detail));
  list.addEventListener('open', ({ detail }) => adjust({ job: detail }));
  list.addEventListener('select', draw);

  const timer = setInterval(draw, TICK_MS);
  jobs.open();
  const ends = [
    jobs.store.watch(draw),
    poll.store.watch(counting),
    merchants.store.watch(draw),
    connection.watch(draw),
    hub.on('event', (frame) => progress.take(frame) && draw()),
    attend(poll, connection),
    () => clearInterval(timer),
    () => jobs.close(),
    () => drawer.leave(),
    () => recurring.leave(),
  ];

  return {
    element,
    actions: recurring.actions,
    update(query) {
      const merchantId = admin ? stream.merchantId : null;
      const other = merchantId !== filter.merchantId;
      filter = {
        queue: query.get('queue') ?? '',
        state: query.get('state') ?? '',
        parent: query.get('parent') ?? '',
        merchantId,
      };
      if (other) {
        before = null;
        poll.forget();
      }
      showing = query.get('show') === 'recurring' ? 'recurring' : 'jobs';
      sides.show(showing);
      recurring.look(showing === 'recurring', filter.merchantId);
      const asked = jobQuestion(filter);
      jobs.ask(asked.parts, asked);
      const id = query.get('job') ?? '';
      if (id !== opened) {
        opened = id;
        if (id) drawer.show(id);
        else drawer.hide();
      }
      draw();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

/**
 * Everything about one job, in a drawer: how far it is, what came of its attempts, and what may be
 * done about it.
 */
import '../elements/json-view.js';
import '../elements/progress-bar.js';
import { sentenceOf } from '../client/errors.js';
import { detailDrawer } from '../elements/detail-drawer.js';
import { h, icon } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { fullTime, grouped, milliseconds, shortTime } from '../elements/format.js';
import { statusPill } from '../elements/status-pill.js';
import { Followed } from '../state/followed.js';
import { ACTS, ALLOWED, stateText, taskTitle } from '../state/jobs.js';
import { queueTitle } from '../state/queues.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {object} on
 * @param {import('../state/jobs.js').Progress} on.progress
 * @param {() => void} on.close the person has closed it
 * @param {(id: string, verb: string) => void} on.done something was done to it
 * @param {(id: string) => void} on.parts its parts are to be seen
 * @param {(id: string) => void} on.open another job is to be seen
 */
export function jobDrawer(context, { progress, close, done, parts, open }) {
  const { hub, commands, merchants, toasts, may } = context;
  const drawer = detailDrawer({ onclose: close });
  const pill = statusPill('queued');
  const note = h('p', { class: 'muted', role: 'status' });
  const bar = h('progress-bar');
  const doing = h('p', { class: 'muted job-doing' });
  const error = h('p', { class: 'job-fault' });
  const facts = h('dl', { class: 'facts order-facts' });
  const whole = section('Parts');
  const attempts = section('Attempts that failed');
  const result = section('Result');
  const args = section('Arguments');
  drawer.beside.append(pill);
  drawer.body.append(
    note, bar, doing, error, facts, whole.element, attempts.element, result.element, args.element,
  ); // prettier-ignore
  /** @type {import('../state/followed.js').Followed<any> | null} */
  let followed = null;
  let stops = [];
  let shown = '';

  const acts = ACTS.filter(([verb]) => may(`jobs.${verb}`)).map(([verb, label, sign]) => {
    const button = h(
      'button',
      { type: 'button', class: 'button', 'data-act': verb, onclick: () => act(verb) },
      icon(sign),
      h('span', { text: label }),
    );
    return { verb, button };
  });
  drawer.foot.append(...acts.map(({ button }) => button));

  async function act(verb) {
    const { job } = followed.store.value.value;
    try {
      await commands.run(`jobs.${verb}`, { id: job.id });
      toasts.say(`${taskTitle(job.name)}: ${SAID[verb]}`);
      done(job.id, verb);
    } catch (problem) {
      const detail = sentence(sentenceOf(problem));
      toasts.say('The job is as it was', { kind: 'problem', detail });
    }
    followed?.touch();
  }

  function stop() {
    followed?.stop();
    for (const end of stops) end();
    stops = [];
    followed = null;
    shown = '';
  }

  function draw() {
    if (!followed) return;
    const { value, problem, gone } = followed.store.value;
    const there = value !== null && !gone;
    for (const each of [pill, bar, doing, error, facts]) each.hidden = !there;
    for (const each of [whole, attempts, result, args]) each.element.hidden = !there;
    drawer.foot.hidden = !there || acts.length === 0;
    note.hidden = there;
    note.textContent = gone ? 'This job is not there any more.' : problem || 'Loading…';
    if (there) drawJob({ ...value, job: progress.of(value.job) });
  }

  function drawJob({ job, attempts: failed = [], parts: counts = null }) {
    const moving = job.state === 'running' || job.awaits === 'children';
    drawer.title(taskTitle(job.name));
    pill.show(moving ? 'running' : job.state, stateText(job, Date.now()));
    bar.hidden = !moving;
    if (moving) bar.show(job.progress, 'Progress');
    doing.hidden = !moving || !job.note;
    doing.textContent = moving ? `${job.progress} % · ${job.note ?? ''}` : '';
    error.hidden = !job.error || job.state === 'succeeded';
    error.textContent = job.error ?? '';
    facts.replaceChildren(...factsOf(job).flatMap(([name, text]) => [h('dt', { text: name }), text]));
    drawParts(job, counts);
    attempts.element.hidden = failed.length === 0;
    attempts.body.replaceChildren(...failed.map(attemptOf));
    fill(result, job.result);
    fill(args, job.args);
    for (const { verb, button } of acts) button.hidden = !ALLOWED[verb](job.state);
  }

  function factsOf(job) {
    const rows = [
      ['Queue', h('dd', { text: queueTitle(job.queue) })],
      ['To', job.recipient && h('dd', { text: job.recipient })],
      ['Attempt', h('dd', { class: 'number', text: `${job.attempt} of ${job.max_attempts}` })],
      ['Priority', job.priority !== 0 && h('dd', { class: 'number', text: String(job.priority) })],
      ['Due', waits(job) && time(job.run_at)],
      ['Made', time(job.created_at)],
      ['Begun', job.started_at && time(job.started_at)],
      ['Ended', job.finished_at && time(job.finished_at)],
      ['Took', took(job) !== null && h('dd', { class: 'number', text: milliseconds(took(job)) })],
      ['Of use until', job.expires_at && time(job.expires_at)],
      ['Part of', job.parent_id && h('dd', {}, link(job.parent_id, () => open(job.parent_id)))],
      ['Merchant', h('dd', { text: merchants.name(job.merchant_id) })],
      ['Id', h('dd', {}, h('code', { text: job.id }))],
    ];
    return rows.filter(([, value]) => value);
  }

  function drawParts(job, counts) {
    const entries = Object.entries(counts ?? {}).filter(([, count]) => count > 0);
    whole.element.hidden = entries.length === 0;
    whole.body.replaceChildren(
      h(
        'ul',
        { class: 'job-parts', role: 'list' },
        ...entries.map(([state, count]) =>
          h('li', {}, statusPill(state), h('span', { class: 'number', text: grouped(count) })),
        ),
      ),
      h('button', {
        type: 'button',
        class: 'button small',
        text: 'Show the parts',
        onclick: () => parts(job.id),
      }),
    );
  }

  return {
    element: drawer.element,
    /** @param {string} id */
    show(id) {
      if (id === shown) return;
      stop();
      shown = id;
      drawer.open('Job');
      followed = new Followed(hub, {
        read: () => hub.call('jobs.get', { id }),
        concerns: ({ type, subject }) => subject === `job/${id}` && type !== 'job_progressed',
      });
      // What no event tells of, the parts of a bulk send and deliveries, is looked at again.
      const timer = setInterval(() => quiet() && followed?.touch(), LOOK_MS);
      stops = [followed.store.watch(draw), () => clearInterval(timer), hub.on('event', draw)];
    },
    hide() {
      stop();
      drawer.hide();
    },
    leave() {
      stop();
      drawer.leave();
    },
  };

  function quiet() {
    const job = followed?.store.value.value?.job;
    if (!job || !ALLOWED.cancel(job.state)) return false;
    return job.parent_id !== null || job.awaits === 'children' || job.queue === 'webhook_delivery';
  }
}

const LOOK_MS = 2_000;
/** @type {Record<string, string>} */
const SAID = { retry: 'queued again', cancel: 'cancelled', discard: 'discarded' };

function section(title) {
  const body = h('div', {});
  const element = h('section', { class: 'drawer-section' }, h('h3', { text: title }), body);
  return { element, body };
}

function fill({ element, body }, value) {
  const empty = value === null || value === undefined || JSON.stringify(value) === '{}';
  element.hidden = empty;
  if (empty) return;
  const text = JSON.stringify(value);
  if (body.dataset.text === text) return;
  body.dataset.text = text;
  const view = h('json-view');
  body.replaceChildren(view);
  view.show(value);
}

function attemptOf({ attempt, outcome, error, traceback, ended_at: at }) {
  return h(
    'details',
    { class: 'job-attempt' },
    h(
      'summary',
      {},
      h('span', { class: 'number', text: `#${attempt}` }),
      statusPill(outcome === 'failed' ? 'failed' : 'retrying', outcome),
      h('span', { class: 'job-attempt-error', text: error }),
      h('time', { class: 'muted', title: fullTime(at), text: shortTime(at) }),
    ),
    h('p', { text: error }),
    traceback && h('pre', { class: 'job-traceback', tabindex: '0', text: traceback }),
  );
}

function waits({ state }) {
  return state === 'scheduled' || state === 'retrying';
}

function took({ started_at: from, finished_at: to }) {
  return from && to ? Math.max(0, Date.parse(to) - Date.parse(from)) : null;
}

function time(at) {
  return h('dd', { title: fullTime(at), text: shortTime(at) });
}

function link(text, onclick) {
  return h('button', { type: 'button', class: 'link', onclick }, h('code', { text }));
}

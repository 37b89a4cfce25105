/**
 * Everything about one webhook, in a drawer: what it hears, how it fares, and what was tried.
 */
import '../elements/json-view.js';
import { sentenceOf } from '../client/errors.js';
import { detailDrawer } from '../elements/detail-drawer.js';
import { h, icon, setText } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { fullTime, grouped, milliseconds, rowTime, shortTime } from '../elements/format.js';
import { Keyed } from '../elements/keyed.js';
import { statusPill } from '../elements/status-pill.js';
import { choice } from '../elements/toolbar.js';
import { Poll } from '../state/poll.js';
import { answerOf, healthOf } from '../state/webhooks.js';
import { attend } from './attention.js';

/** Of the attempts that are looked at, newest first. */
const ATTEMPTS = 50;

/**
 * @typedef {import('../state/webhooks.js').Webhook} Webhook
 *
 * @param {import('./shell.js').Context} context
 * @param {object} on
 * @param {() => void} on.close the person has closed it
 * @param {(webhook: Webhook) => void} on.edit
 * @param {(webhook: Webhook) => void} on.rotate
 * @param {(webhook: Webhook) => void} on.remove
 * @param {() => void} on.changed something has changed that the list shows
 */
export function webhookDrawer(context, { close, edit, rotate, remove, changed }) {
  const { hub, commands, connection, merchants, toasts, may } = context;
  const drawer = detailDrawer({ onclose: close });
  const pill = statusPill('active');
  const note = h('p', { class: 'muted', role: 'status' });
  const reason = h('p', { class: 'job-fault' });
  const facts = h('dl', { class: 'facts order-facts' });
  const rows = h('ul', { class: 'attempt-rows', role: 'list', 'aria-label': 'Attempts' });
  const list = new Keyed(rows, () => attemptRow(may('webhooks.replay') ? replay : null));
  const none = h('p', { class: 'muted' });
  const status = choice({
    label: 'Attempts',
    options: [
      ['', 'All attempts'],
      ['success', 'Succeeded'],
      ['failed', 'Failed'],
      ['dead', 'Given up'],
      ['pending', 'Not yet'],
    ],
    choose: () => poll?.forget(),
  });
  const tried = h(
    'section',
    { class: 'drawer-section' },
    h('div', { class: 'attempt-head' }, h('h3', { text: 'Attempts' }), status.element),
    none,
    rows,
  );
  drawer.beside.append(pill);
  drawer.body.append(note, reason, facts, tried);
  /** @type {Poll<{ webhook: Webhook, logs: import('../state/webhooks.js').Attempt[] }> | null} */
  let poll = null;
  let stops = [];
  let shown = '';
  let gone = false;

  const current = () => poll.store.value.value.webhook;
  const act = (method, name, label, sign, run) =>
    may(method) &&
    h(
      'button',
      { type: 'button', class: 'button', 'data-act': name, onclick: () => run(current()) },
      icon(sign),
      h('span', { text: label }),
    );
  const onoff = h('button', { type: 'button', class: 'button', onclick: () => toggle(current()) });
  const acts = [
    act('webhooks.test', 'test', 'Send a test', 'send', test),
    act('webhooks.update', 'edit', 'Change', 'edit', edit),
    may('webhooks.update') && onoff,
    act('webhooks.rotate', 'rotate', 'Rotate secret', 'refresh', rotate),
    act('webhooks.delete', 'delete', 'Remove', 'trash', remove),
  ].filter(Boolean);
  drawer.foot.append(...acts);

  async function attempt(work, done, kept) {
    try {
      await work();
      toasts.say(done);
    } catch (error) {
      toasts.say(kept, { kind: 'problem', detail: sentence(sentenceOf(error)) });
    }
    poll?.refresh();
    changed();
  }

  function test({ id }) {
    return attempt(
      () => commands.run('webhooks.test', { id }),
      'A test event is on its way',
      'The test event was not sent',
    );
  }

  function replay({ delivery_id: delivery }) {
    return attempt(
      () => commands.run('webhooks.replay', { id: shown, delivery_id: delivery }),
      'The event is sent once more',
      'The event was not sent again',
    );
  }

  function toggle({ id, is_active: active, version }) {
    const params = { id, is_active: !active };
    return attempt(
      () => commands.run('webhooks.update', params, { ifMatch: version }),
      active ? 'The webhook is called no longer' : 'The webhook is called again',
      'The webhook is as it was',
    );
  }

  function stop() {
    for (const end of stops) end();
    stops = [];
    poll = null;
    shown = '';
    gone = false;
  }

  async function read(id) {
    const how = status.element.value;
    try {
      const { webhook } = await hub.call('webhooks.get', { id });
      const params = { id, limit: ATTEMPTS, ...(how && { status: how }) };
      const { logs } = await hub.call('webhooks.logs', params);
      return { webhook, logs };
    } catch (error) {
      gone = error.code === 'not_found';
      throw error;
    }
  }

  function draw({ value, problem }) {
    const there = value !== null && !gone;
    for (const each of [pill, reason, facts, tried]) each.hidden = !there;
    drawer.foot.hidden = !there || acts.length === 0;
    note.hidden = there;
    note.textContent = gone ? 'This webhook is not there any more.' : problem || 'Loading…';
    if (there) drawWebhook(value);
  }

  function drawWebhook({ webhook, logs }) {
    pill.show(healthOf(webhook));
    drawer.title(new URL(webhook.url).host);
    setText(reason, webhook.disabled_reason ?? '');
    reason.hidden = !webhook.disabled_reason;
    setText(onoff, webhook.is_active ? 'Deactivate' : 'Activate');
    facts.replaceChildren(
      ...factsOf(webhook).flatMap(([name, text]) => [h('dt', { text: name }), text]),
    );
    none.hidden = logs.length > 0;
    setText(none, status.element.value ? 'None of them went so.' : 'It was not called yet.');
    list.show(logs.map((log) => [log.id, log]));
  }

  function factsOf(webhook) {
    const { failing_since: since, last_triggered_at: last, previous_until: until } = webhook;
    const types = webhook.event_types.map((type) => h('code', { class: 'webhook-type', text: type }));
    const rows = [
      ['Address', h('dd', { class: 'webhook-address', text: webhook.url })],
      ['Hears', h('dd', { class: 'webhook-hears' }, ...types)],
      ['Last called', last && time(last)],
      ['Failing since', since && time(since)],
      [
        'Failures in a row',
        webhook.retry_count > 0 &&
          h('dd', { class: 'number', text: grouped(webhook.retry_count) }),
      ],
      ['Both secrets until', until && Date.parse(until) > Date.now() && time(until)],
      ['Merchant', h('dd', { text: merchants.name(webhook.merchant_id) })],
      ['Id', h('dd', {}, h('code', { text: webhook.id }))],
    ];
    return rows.filter(([, value]) => value);
  }

  return {
    element: drawer.element,
    /** @param {string} id */
    show(id) {
      if (id === shown) return;
      stop();
      shown = id;
      status.show('');
      drawer.open('Webhook');
      poll = new Poll({ read: () => read(id) });
      stops = [poll.store.watch(draw), attend(poll, connection)];
    },
    /** What was written is to be seen. */
    refresh: () => poll?.refresh(),
    hide() {
      stop();
      drawer.hide();
    },
    leave() {
      stop();
      drawer.leave();
    },
  };
}

function time(at) {
  return h('dd', { title: fullTime(at), text: shortTime(at) });
}

/** @param {((attempt: any) => void) | null} replay */
function attemptRow(replay) {
  /** @type {any} */
  let shown;
  const pill = statusPill('pending');
  const what = h('span', { class: 'attempt-what' });
  const answer = h('span', { class: 'second attempt-answer' });
  const took = h('span', { class: 'second number' });
  const at = h('time', { class: 'second' });
  const body = h('div', { class: 'attempt-body' });
  const details = h(
    'details',
    { class: 'attempt', ontoggle: () => fill() },
    h('summary', {}, pill, h('span', { class: 'attempt-text' }, what, answer), took, at),
    body,
  );
  const element = h('li', {}, details);

  function fill() {
    if (!details.open || body.dataset.version === String(shown.version)) return;
    body.dataset.version = String(shown.version);
    const payload = h('json-view');
    payload.show(shown.payload);
    body.replaceChildren(
      ...[
        shown.error_message && h('p', { class: 'job-fault', text: shown.error_message }),
        shown.next_retry_at &&
          h('p', { class: 'muted', text: `Tried again ${shortTime(shown.next_retry_at)}.` }),
        shown.response_body && h('h4', { text: 'Answer' }),
        shown.response_body &&
          h('pre', { class: 'job-traceback', tabindex: '0', text: shown.response_body }),
        h('h4', { text: 'Event' }),
        payload,
        h('p', { class: 'muted' }, 'Delivery ', h('code', { text: shown.delivery_id })),
        replay &&
          h(
            'button',
            { type: 'button', class: 'button small', onclick: () => replay(shown) },
            icon('refresh'),
            h('span', { text: 'Send it again' }),
          ),
      ].filter(Boolean),
    );
  }

  return {
    element,
    show(attempt) {
      shown = attempt;
      pill.show(attempt.status);
      setText(what, `${attempt.payload?.type ?? attempt.event_id} · attempt ${attempt.attempt}`);
      setText(answer, answerOf(attempt));
      setText(took, attempt.duration_ms === null ? '' : milliseconds(attempt.duration_ms));
      setText(at, rowTime(attempt.created_at));
      at.title = fullTime(attempt.created_at);
      fill();
    },
  };
}

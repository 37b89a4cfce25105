/**
 * The cards of the health view, each with what it shows of a report.
 *
 * @typedef {import('../state/health.js').Health} Health
 * @typedef {import('../state/health.js').Rates} Rates
 *
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {(health: Health, rates: Rates | null) => void} show
 */
import '../elements/spark-line.js';
import { closeName } from '../client/codes.js';
import { h, setText } from '../elements/dom.js';
import { bytes, grouped, milliseconds, perSecond } from '../elements/format.js';
import { Keyed } from '../elements/keyed.js';
import { DOORS } from '../state/sessions.js';

const ROLES = ['admin', 'merchant', 'viewer', 'bot'];

let cards = 0;

/** @param {string} title */
function card(title, ...children) {
  cards += 1;
  const id = `card-${cards}`;
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': id },
    h('h3', { id, text: title }),
    ...children,
  );
}

/**
 * A rate with its last two minutes.
 * @param {string} title
 * @param {string} unit what there are so many of per second
 * @param {(rates: Rates) => number} pick
 * @param {number} floor what the scale reaches at least
 * @param {(value: number) => string} format
 */
export function rateCard(title, unit, pick, floor, format) {
  const value = h('span', { class: 'rate-number number', text: '–' });
  const line = h('spark-line');
  return {
    element: card(
      title,
      h('p', { class: 'rate-now' }, value, h('span', { class: 'muted', text: `${unit} / s` })),
      line,
    ),
    /** @param {Rates[]} rates */
    show(rates) {
      setText(value, rates.length ? format(pick(rates.at(-1))) : '–');
      line.show(
        rates.map((rate) => ({ at: rate.at, value: pick(rate) })),
        floor,
      );
    },
  };
}

/** Names and values that are written again and again. */
function factList(names) {
  const cells = names.map((name) => [h('dt', { text: name }), h('dd', { class: 'number' })]);
  return {
    element: h('dl', { class: 'panel-facts' }, ...cells.map((pair) => h('div', {}, ...pair))),
    /** @param {string[]} values in the order of the names */
    show(values) {
      values.forEach((value, index) => setText(cells[index][1], value));
    },
  };
}

/** @returns {Card} */
export function checksCard() {
  const list = h('ul', { class: 'checks' });
  const items = new Keyed(list, (name) => {
    const state = h('span', { class: 'check-state' });
    const detail = h('span', { class: 'second' });
    const took = h('span', { class: 'second number' });
    const element = h(
      'li',
      {},
      state,
      h('div', {}, h('span', { class: 'check-name', text: name }), detail),
      took,
    );
    return {
      element,
      /** @param {import('../state/health.js').Check} check */
      show({ ok, detail: text, ms }) {
        state.dataset.ok = String(ok);
        setText(state, ok ? 'works' : 'fails');
        setText(detail, text);
        setText(took, Number.isFinite(ms) ? milliseconds(ms) : '');
      },
    };
  });
  return {
    element: card('Checks', list),
    show: ({ checks }) => items.show(checks.map((check) => [check.name, check])),
  };
}

/**
 * A list of counts by name, which appear as they are met.
 * @param {(key: string) => (Node | string)[]} naming
 * @param {string[]} [order] those that come first
 */
function counts(naming, order = []) {
  const place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
  const element = h('dl', { class: 'panel-facts' });
  const items = new Keyed(element, (key) => {
    const value = h('dd', { class: 'number' });
    return {
      element: h('div', {}, h('dt', {}, ...naming(key)), value),
      /** @param {number} count */
      show: (count) => setText(value, grouped(count)),
    };
  });
  return {
    element,
    /** @param {Record<string, number>} found */
    show(found) {
      const entries = Object.entries(found).filter(([, count]) => count > 0);
      items.show(entries.sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1)));
      return entries.length;
    },
  };
}

/** @returns {Card} */
export function connectionsCard() {
  const total = h('p', { class: 'number meter-text' });
  const fill = h('span', { class: 'meter-fill' });
  const badge = (role) => h('span', { class: 'role', 'data-role': role, text: role });
  const roles = counts((role) => [badge(role)], ROLES);
  const doors = counts((door) => [DOORS[door] ?? door], Object.keys(DOORS));
  const lagging = factList(['Behind or stalled']);
  return {
    element: card(
      'Connections',
      total,
      h('div', { class: 'meter', 'aria-hidden': 'true' }, fill),
      h(
        'div',
        { class: 'panel-columns' },
        h('div', {}, h('h4', { text: 'By role' }), roles.element),
        h('div', {}, h('h4', { text: 'By door' }), doors.element),
      ),
      lagging.element,
    ),
    show({ connections }) {
      const { total: count, limit, by_role: byRole, by_door: byDoor, lagging: late } = connections;
      setText(total, `${grouped(count)} of at most ${grouped(limit)}`);
      const share = limit > 0 ? Math.min(1, count / limit) : 0;
      fill.style.width = `${(share * 100).toFixed(1)}%`;
      fill.dataset.full = String(share > 0.9);
      roles.show(byRole);
      doors.show(byDoor);
      lagging.show([grouped(late)]);
    },
  };
}

/** @returns {Card} */
export function logCard() {
  const facts = factList([
    'Newest offset',
    'Oldest stored',
    'Events stored',
    'In memory',
    'Waiting to be sent',
    'Epoch',
  ]);
  return {
    element: card('Log', facts.element),
    show({ log }) {
      const { offset, oldest, ring_first: first, ring_size: size, backlog, epoch } = log;
      const inRing = size > 0 ? `${grouped(size)} from #${grouped(first)}` : '0';
      facts.show([
        `#${grouped(offset)}`,
        oldest > offset ? 'none' : `#${grouped(oldest)}`,
        grouped(Math.max(0, offset - oldest + 1)),
        inRing,
        grouped(backlog),
        epoch,
      ]);
    },
  };
}

/** @returns {Card} */
export function storingCard() {
  const facts = factList([
    'Commits / s',
    'Last commit took',
    'Events in it',
    'Replays from memory',
    'Replays from the database',
    'Events in since start',
    'Events out since start',
  ]);
  return {
    element: card('Storing and replaying', facts.element),
    show({ traffic }, rates) {
      facts.show([
        rates ? perSecond(rates.commits) : '–',
        milliseconds(traffic.commit_ms_last),
        grouped(traffic.group_events_last),
        grouped(traffic.ring_replays),
        grouped(traffic.database_replays),
        grouped(traffic.events_in),
        grouped(traffic.events_out),
      ]);
    },
  };
}

/** @returns {Card} */
export function processCard() {
  const facts = factList([
    'Memory',
    'Processor',
    'Longest loop lag, last 5 s',
    'Open files',
    'Free on the disk',
  ]);
  return {
    element: card('Process', facts.element),
    show({ process }, rates) {
      const { open_files: files, open_files_limit: most, disk_free_bytes: free } = process;
      facts.show([
        bytes(process.rss_bytes),
        rates ? `${(rates.cpu * 100).toFixed(1)} %` : '–',
        milliseconds(process.loop_lag_ms),
        Number.isFinite(most) ? `${grouped(files)} of ${grouped(most)}` : grouped(files),
        Number.isFinite(free) ? bytes(free) : 'not known',
      ]);
    },
  };
}

/** @returns {Card} */
export function closesCard() {
  const list = counts((code) => [
    h('code', { text: code }),
    h('span', { text: closeName(Number(code)) }),
  ]);
  const none = h('p', { class: 'muted', text: 'No connection has been closed yet.' });
  return {
    element: card('Closed connections since start', list.element, none),
    show({ traffic }) {
      none.hidden = list.show(traffic.closes) > 0;
    },
  };
}

/**
 * Who is connected to the hub.
 */
import { Poll } from './poll.js';

const PAGE = 200;
const EVERY_MS = 2_000;

/**
 * @typedef {object} Connected
 * @property {string} id
 * @property {'admin' | 'merchant' | 'viewer' | 'bot'} role
 * @property {string} name of the key
 * @property {string} key_id
 * @property {string | null} merchant_id
 * @property {'websocket' | 'sse' | 'ndjson' | 'poll'} door
 * @property {string} address
 * @property {string | null} agent
 * @property {string} connected_at RFC 3339
 * @property {'live' | 'replaying' | 'stalled' | 'idle'} state
 * @property {string[] | null} types
 * @property {string[] | null} subjects
 * @property {number} cursor the offset up to which it was sent what it wants
 * @property {number} lag events behind the log's end
 * @property {number} bytes_in
 * @property {number} bytes_out
 * @property {number} published events
 * @property {string | null} expires_at
 *
 * @typedef {object} SessionList
 * @property {Connected[]} list
 * @property {boolean} more whether there are more than were read
 */

export class Sessions {
  #hub;
  #pages = 1;
  /** @type {string | null} */
  #merchantId = null;

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'call'>} hub
   * @param {import('../client/clock.js').Clock} [clock]
   */
  constructor(hub, clock) {
    this.#hub = hub;
    // Pages beyond the first are read less often: the hub's work for one page stays the same.
    const every = () => this.#pages * EVERY_MS;
    /** @type {Poll<SessionList>} */
    this.poll = new Poll({ read: () => this.#read(), every, clock });
  }

  /** @param {string | null} merchantId null for all that may be seen */
  narrow(merchantId) {
    if (merchantId === this.#merchantId) return;
    this.#merchantId = merchantId;
    this.#pages = 1;
    this.poll.forget();
  }

  /** Shows one page more. */
  more() {
    this.#pages += 1;
    this.poll.refresh();
  }

  /**
   * Ends a connection (4004).
   * @param {string} id
   */
  async disconnect(id) {
    try {
      await this.#hub.call('sessions.disconnect', { id });
    } finally {
      this.poll.refresh();
    }
  }

  async #read() {
    const narrowed = this.#merchantId === null ? {} : { merchant_id: this.#merchantId };
    const list = [];
    let after = {};
    for (let page = 0; page < this.#pages; page += 1) {
      const params = { ...narrowed, ...after, limit: PAGE };
      const { sessions, next } = await this.#hub.call('sessions.list', params);
      list.push(...sessions);
      if (!next) return { list, more: false };
      after = { after: next };
    }
    return { list, more: true };
  }
}

/** @type {Record<Connected['door'], string>} */
export const DOORS = { websocket: 'WebSocket', sse: 'SSE', ndjson: 'NDJSON', poll: 'Long poll' };

/**
 * @param {Connected} session
 * @returns {string} what it listens to, in one line
 */
export function filterText({ state, types, subjects }) {
  if (state === 'idle') return 'nothing';
  const parts = [types?.join(', '), subjects?.join(', ')].filter(Boolean);
  return parts.length ? parts.join(' · ') : 'everything';
}

/**
 * @param {Connected} session
 * @param {string} wanted words, all of which must be found
 * @param {(id: string | null) => string} merchantName
 * @returns {boolean}
 */
export function matches(session, wanted, merchantName) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const { role, name, id, key_id, address, agent, state, door } = session;
  const fields = [role, name, id, key_id, address, agent, state, DOORS[door] ?? door];
  fields.push(merchantName(session.merchant_id), filterText(session));
  const text = fields.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}

/** @type {Record<string, { label: string, compare: (a: Connected, b: Connected) => number }>} */
export const ORDERS = {
  newest: { label: 'Newest first', compare: (a, b) => compareText(b.connected_at, a.connected_at) },
  oldest: { label: 'Oldest first', compare: (a, b) => compareText(a.connected_at, b.connected_at) },
  name: { label: 'Name', compare: (a, b) => a.name.localeCompare(b.name) },
  role: { label: 'Role', compare: (a, b) => compareText(a.role, b.role) },
  lag: { label: 'Furthest behind', compare: (a, b) => b.lag - a.lag },
  received: { label: 'Most bytes in', compare: (a, b) => b.bytes_in - a.bytes_in },
  sent: { label: 'Most bytes out', compare: (a, b) => b.bytes_out - a.bytes_out },
};

function compareText(a, b) {
  return a < b ? -1 : Number(a > b);
}

/**
 * @typedef {object} Row
 * @property {Connected} session as it was last seen
 * @property {boolean} ended
 */

/**
 * The order of the rows. While it is held, because someone is among them, no row moves: one that
 * has ended keeps its place, and a new one comes below the others.
 */
export class Roster {
  /** @type {Row[]} */
  rows = [];

  /**
   * @param {Connected[]} all
   * @param {object} how
   * @param {string} how.order a name in `ORDERS`
   * @param {(session: Connected) => boolean} how.wanted
   * @param {boolean} how.held
   * @returns {Row[]}
   */
  arrange(all, { order, wanted, held }) {
    const { compare } = ORDERS[order] ?? ORDERS.newest;
    const shown = all.filter(wanted);
    // Equal ones keep one order among themselves, whatever order the hub names them in.
    shown.sort((a, b) => compare(a, b) || compareText(a.id, b.id));
    const kept = held ? this.#kept(all) : [];
    const ids = new Set(kept.map(({ session }) => session.id));
    const added = shown.filter(({ id }) => !ids.has(id));
    this.rows = [...kept, ...added.map((session) => ({ session, ended: false }))];
    return this.rows;
  }

  #kept(all) {
    const now = new Map(all.map((session) => [session.id, session]));
    return this.rows.map(({ session }) => {
      const current = now.get(session.id);
      return { session: current ?? session, ended: current === undefined };
    });
  }
}

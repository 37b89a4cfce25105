/**
 * Who changed what: the rows of the audit that match a filter, newest first.
 *
 * Rows never change once they are written, so what was read stays; a reading looks for new ones on
 * top, and for older ones below when they are asked for.
 */
import { systemClock } from '../client/clock.js';
import { Poll } from './poll.js';

const PAGE = 50;
/** A reading goes so many pages down to meet the rows it knows; beyond, it begins anew. */
const REACH = 4;
/** More rows than were asked for are kept up to here: a page may be left open for days. */
const SPARE = 500;
/** Not every change is an event: what an admin does to admins' keys belongs to no merchant. */
const EVERY_MS = 4_000;
/** However many events come, the rows are read no more often than this. */
const PACE_MS = 500;

/** The filter's fields, as the hub and the address of the page name them. */
export const FIELDS = ['action', 'target_type', 'actor_id', 'target_id', 'from', 'to'];

/**
 * @typedef {object} Change
 * @property {string} field
 * @property {any} before null where there was none
 * @property {any} after
 *
 * @typedef {object} AuditRow
 * @property {string} id
 * @property {string | null} merchant_id
 * @property {{ id: string | null, role: string, name: string | null }} actor
 * @property {'CREATE' | 'UPDATE' | 'DELETE'} action
 * @property {string} target_type
 * @property {string} target_id
 * @property {Record<string, any> | null} before
 * @property {Record<string, any> | null} after
 * @property {Change[]} changes
 * @property {string | null} address
 * @property {string | null} agent
 * @property {string} created_at RFC 3339
 *
 * @typedef {{ row: AuditRow, arrival: number }} Entry `arrival` grows with each reading that
 *   brought new rows to the top; it is 0 for those that were there before
 *
 * @typedef {object} AuditState
 * @property {Entry[]} list newest first
 * @property {number} arrival the latest
 * @property {boolean} more whether there are older rows
 */

/** The rows of one filter. */
export class Trail {
  /** @type {Entry[]} */
  entries = [];
  arrival = 0;
  /** Whether there may be rows below the last one. */
  more = false;
  /** Whether it was read at all. */
  begun = false;
  /** How many pages of older rows there are, the first included, and how many are wanted. */
  pages = 1;
  wanted = 1;
  /** @type {Set<string>} */
  #ids = new Set();

  /** @param {Record<string, string>} filter */
  constructor(filter) {
    this.filter = filter;
  }

  /** @param {AuditRow} row @returns {boolean} */
  has({ id }) {
    return this.#ids.has(id);
  }

  /**
   * Puts rows in their places: some may have been written later than those around them.
   * @param {AuditRow[]} rows
   * @param {boolean} arrived whether they are new, rather than older ones that were asked for
   */
  add(rows, arrived) {
    const added = rows.filter((row) => !this.has(row));
    if (added.length === 0) return;
    if (arrived) this.arrival += 1;
    for (const { id } of added) this.#ids.add(id);
    const entries = added.map((row) => ({ row, arrival: arrived ? this.arrival : 0 }));
    this.entries = [...this.entries, ...entries].sort((a, b) => (a.row.id < b.row.id ? 1 : -1));
  }

  /** Forgets the oldest rows beyond so many. @param {number} most */
  keep(most) {
    if (this.entries.length <= most) return;
    for (const { row } of this.entries.slice(most)) this.#ids.delete(row.id);
    this.entries = this.entries.slice(0, most);
    this.more = true;
  }

  /** @returns {string} the id of the oldest row, empty without one */
  get last() {
    return this.entries.at(-1)?.row.id ?? '';
  }
}

export class Audit {
  #hub;
  #clock;
  #trail = new Trail({});
  #timer = null;
  #readAt = -Infinity;

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'call'>} hub
   * @param {import('../client/clock.js').Clock} [clock]
   */
  constructor(hub, clock = systemClock) {
    this.#hub = hub;
    this.#clock = clock;
    /** @type {Poll<AuditState>} */
    this.poll = new Poll({ read: () => this.#read(this.#trail), every: () => EVERY_MS, clock });
  }

  /** @param {Record<string, string>} filter params of `audit.list`, without empty ones */
  narrow(filter) {
    if (JSON.stringify(filter) === JSON.stringify(this.#trail.filter)) return;
    this.#trail = new Trail(filter);
    this.poll.forget();
  }

  /** What was read is of another log: reads everything anew. */
  forget() {
    this.#trail = new Trail(this.#trail.filter);
    this.poll.forget();
  }

  /** Reads one page of older rows more. */
  more() {
    this.#trail.wanted += 1;
    this.poll.refresh();
  }

  /** Something has happened, and rows may have been written: reads them, at a pace. */
  touch() {
    if (this.#timer !== null) return;
    const wait = this.#readAt + PACE_MS - this.#clock.now();
    if (wait <= 0) this.#touched();
    else this.#timer = this.#clock.setTimeout(() => this.#touched(), wait);
  }

  #touched() {
    this.#timer = null;
    this.#readAt = this.#clock.now();
    this.poll.refresh();
  }

  /** @param {Trail} trail @returns {Promise<AuditState>} */
  async #read(trail) {
    await this.#readNewest(trail);
    while (trail.pages < trail.wanted) {
      const { audit, next } = await this.#page(trail, trail.last);
      trail.add(audit, false);
      trail.more = next !== null;
      trail.pages += 1;
    }
    trail.keep(trail.wanted * PAGE + SPARE);
    return { list: trail.entries, arrival: trail.arrival, more: trail.more };
  }

  /** Reads from the top down to the rows that are known. @param {Trail} trail */
  async #readNewest(trail) {
    const found = [];
    let after = '';
    for (let page = 0; page < REACH; page += 1) {
      const { audit, next } = await this.#page(trail, after);
      found.push(...audit);
      const met = audit.some((row) => trail.has(row));
      if (!trail.begun || met || next === null) {
        trail.add(found, trail.begun);
        if (!trail.begun) trail.more = next !== null;
        trail.begun = true;
        return;
      }
      after = next;
    }
    // So many are new that there is a hole below them: what was there is asked for again.
    trail.keep(0);
    trail.add(found, true);
    trail.pages = trail.wanted = REACH;
  }

  #page({ filter }, after) {
    return this.#hub.call('audit.list', { ...filter, ...(after && { after }), limit: PAGE });
  }
}

/**
 * @param {Record<string, string>} filter
 * @param {'csv' | 'ndjson'} format
 * @returns {string} the address of a file with all rows that match
 */
export function exportAddress(filter, format) {
  return `/api/audit?${new URLSearchParams({ ...filter, format })}`;
}

/**
 * What an address asks for: the fields that are there, and the merchant that is chosen.
 * @param {URLSearchParams} query
 * @param {string | null} merchantId
 * @returns {Record<string, string>}
 */
export function auditFilter(query, merchantId) {
  const entries = FIELDS.map((name) => [name, query.get(name) ?? '']);
  if (merchantId) entries.push(['merchant_id', merchantId]);
  return Object.fromEntries(entries.filter(([, value]) => value));
}

/**
 * A list of rows that is live by the log.
 *
 * It is read in pages (`<plural>.list`); from then on the events tell what has changed. A row that
 * an event names by its subject is read again (`<plural>.get`), a few at once; where many have
 * changed, the pages are read again instead. A row that is gone is dropped. After a gap or a broken
 * connection everything that was shown is read again, and shown until then.
 *
 *   loading   nothing was read yet
 *   ready     there are rows, or it is known that there are none
 *   failed    nothing was read yet, because of `problem`
 *
 * A collection may have several parts, each with its own question and its own pages, as a board has
 * columns. Its rows are one set: which part one belongs to, its fields say.
 */
import { systemClock } from '../client/clock.js';
import { Backoff } from '../client/backoff.js';
import { sentenceOf } from '../client/errors.js';
import { Rows } from './rows.js';
import { Store } from './store.js';

const PAGE = 50;
/** The most that the hub gives at once of most lists. */
const MOST = 200;
/** Between two rounds of reading, however many events come, ms. The first is not waited for. */
const PACE_MS = 250;
/** So many rows are read one by one; if more have changed, their pages are. */
const FEW = 8;
/** Between two readings of all pages for what has changed, ms. */
const PAGES_PACE_MS = 1_000;
/** Of them at once. */
const AT_ONCE = 4;
/** A page that is left open for days keeps no more rows than this beyond those asked for. */
const SPARE = 1_000;
const REACHABLE = new Set(['catching-up', 'live']);
/** The row is no longer there, or not for this reader. */
const GONE = new Set(['not_found', 'forbidden']);

/**
 * @typedef {import('./rows.js').Row} Row
 * @typedef {import('../client/hub.js').Hub} Hub
 *
 * @typedef {object} CollectionState
 * @property {Row[]} rows in their order
 * @property {'loading' | 'ready' | 'failed'} phase
 * @property {string} problem why the last reading failed; a lost connection is no problem
 * @property {boolean} connected whether the hub can be asked
 * @property {number | null} at when the rows were last known to be of that moment, ms
 * @property {Record<string, { more: boolean, loading: boolean }>} parts
 *
 * @typedef {object} Part
 * @property {object} params
 * @property {number} wanted rows
 * @property {string | null} next where its next page begins
 * @property {boolean} loading whether one more page is on its way
 */

export class Collection {
  #hub;
  #clock;
  #options;
  #list;
  #rows;
  #backoff = new Backoff({ base: 1_000, cap: 15_000 });
  /** @type {Map<string, Part>} */
  #parts = new Map();
  /** Grows with every question: an answer to an earlier one is none. */
  #question = 0;
  /** The place in the log that the rows were read at: what happened up to it is in them. */
  #since = -1;
  #open = false;
  #reloading = false;
  #reloadAgain = false;
  #rounds = 0;
  #timer = null;
  #lastRound = -Infinity;
  #lastReload = -Infinity;
  /** @type {(() => void)[]} */
  #ends = [];
  /** @type {(row: Row) => boolean} */
  #accepts = () => true;

  /**
   * @param {Pick<Hub, 'ask' | 'on' | 'status'>} hub
   * @param {object} options
   * @param {string} options.plural the commands' name and the list's member, `orders`
   * @param {string} [options.singular] the member of `<plural>.get`, `order`
   * @param {string} [options.subject] the kind in the subjects of its events; as `singular`
   * @param {string} [options.list] the command that lists
   * @param {(id: string) => Promise<Row | null>} [options.read] reads one row again, where there
   *   is no `<plural>.get` for it; null: it is gone
   * @param {(row: Row) => string} [options.key] its id, as it stands in subjects
   * @param {(a: Row, b: Row) => number} [options.compare] their order; without it by id, newest
   *   first
   * @param {number} [options.page] rows
   * @param {import('../client/clock.js').Clock} [options.clock]
   */
  constructor(hub, options) {
    const { singular = options.plural.replace(/s$/, ''), key = ({ id }) => id } = options;
    this.#hub = hub;
    this.#clock = options.clock ?? systemClock;
    this.#options = {
      compare: (a, b) => (key(a) < key(b) ? 1 : -1),
      page: PAGE,
      subject: singular,
      list: `${options.plural}.list`,
      read: (id) => this.#get(id),
      ...options,
      singular,
      key,
    };
    this.#list = this.#options.list;
    this.#rows = new Rows(key);
    /** @type {Store<CollectionState>} */
    this.store = new Store({
      rows: [],
      phase: 'loading',
      problem: '',
      connected: REACHABLE.has(hub.status.state),
      at: null,
      parts: {},
    });
  }

  /**
   * Asks another question: what was read answers it no more. The same question changes nothing.
   * @param {Record<string, object>} parts the params of the list by the name of each part
   * @param {object} [options]
   * @param {(row: Row) => boolean} [options.accepts] whether a row answers it: for one that an
   *   event has named
   * @param {string} [options.list] the command that answers it, where it is not the usual one
   */
  ask(parts, { accepts = () => true, list = this.#options.list } = {}) {
    this.#accepts = accepts;
    const asked = Object.entries(parts);
    const same =
      list === this.#list &&
      asked.length === this.#parts.size &&
      asked.every(([name, params]) => sameParams(this.#parts.get(name)?.params, params));
    if (same) return;
    this.#begin();
    this.#list = list;
    this.#parts = new Map(
      asked.map(([name, params]) => {
        return [name, { params, wanted: this.#options.page, next: null, loading: false }];
      }),
    );
    this.#rows = new Rows(this.#options.key);
    this.store.set({ phase: 'loading', problem: '', at: null });
    this.#show();
    this.reload();
  }

  /** From here on, answers to what was asked before are none. */
  #begin() {
    this.#question += 1;
    this.#since = -1;
    this.#reloading = this.#reloadAgain = false;
    this.#backoff.reset();
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    for (const part of this.#parts.values()) part.loading = false;
  }

  /** Somebody looks: follows the log from here on. */
  open() {
    if (this.#open) return;
    this.#open = true;
    let lost = !REACHABLE.has(this.#hub.status.state);
    this.#ends = [
      this.#hub.on('event', (frame) => this.#event(frame)),
      this.#hub.on('gap', ({ reason }) => {
        // Another epoch may be another database: what was read may not be there.
        if (reason === 'epoch') this.#forget();
        this.reload();
      }),
      this.#hub.on('status', ({ state }) => {
        if (state === 'live' && lost) {
          lost = false;
          this.store.set({ connected: true });
          this.reload();
        } else if (!REACHABLE.has(state) && !lost) {
          lost = true;
          this.store.set({ connected: false, at: this.#freshness() });
        }
      }),
    ];
    this.store.set({ connected: !lost });
    this.reload();
  }

  /** Nobody looks any more. */
  close() {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#open = false;
    this.#begin();
  }

  /**
   * Reads one page more of a part.
   * @param {string} name
   */
  async more(name) {
    const part = this.#parts.get(name);
    if (!part?.next || part.loading) return;
    const question = this.#question;
    part.loading = true;
    this.#show();
    try {
      const { rows, next } = await this.#page(part, part.next, this.#options.page);
      if (question !== this.#question) return;
      for (const row of rows) this.#rows.put(row);
      part.next = next;
      part.wanted += rows.length;
      this.store.set({ problem: '' });
    } catch (error) {
      if (question !== this.#question) return;
      if (error.code !== 'closed') this.store.set({ problem: sentenceOf(error) });
    }
    part.loading = false;
    this.#show();
  }

  /** A row as a command has answered it. @param {Row} row */
  put(row) {
    this.#keep(row);
    this.#show();
  }

  /** A row that a command has removed. @param {string} id */
  drop(id) {
    this.#rows.drop(id);
    this.#show();
  }

  /** @param {string} id @returns {Row | undefined} */
  get(id) {
    return this.#rows.get(id);
  }

  /** Reads everything again that is shown. What is shown stays until then. */
  reload() {
    if (!this.#open || this.#parts.size === 0 || !REACHABLE.has(this.#hub.status.state)) return;
    if (this.#reloading) this.#reloadAgain = true;
    else this.#reload();
  }

  async #reload() {
    this.#reloading = true;
    const question = this.#question;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#lastRound = this.#lastReload = this.#clock.now();
    let wait = null;
    try {
      const parts = [...this.#parts.values()];
      const read = await Promise.all(parts.map((part) => this.#pages(part)));
      if (question !== this.#question) return;
      parts.forEach((part, index) => Object.assign(part, { next: read[index].next }));
      this.#rows.replace(read.flatMap(({ rows }) => rows));
      this.#since = Math.min(...read.map(({ offset }) => offset));
      this.#rows.clean(this.#since);
      this.#backoff.reset();
      this.store.set({ phase: 'ready', problem: '', at: this.#clock.now() });
      this.#show();
    } catch (error) {
      if (question !== this.#question) return;
      // A connection that broke is followed by another, and that one by a reading.
      if (error.code !== 'closed') {
        wait = error.retryAfter ? error.retryAfter * 1000 : this.#backoff.next();
        this.#failed(sentenceOf(error));
      }
    } finally {
      // Another question has begun a reading of its own.
      if (question === this.#question) this.#reloading = false;
    }
    const again = this.#reloadAgain;
    this.#reloadAgain = false;
    if (wait !== null) this.#timer = this.#clock.setTimeout(() => this.reload(), wait);
    else if (again) this.#schedule(() => this.reload());
    else if (this.#rows.dirty) this.#soon();
  }

  #failed(problem) {
    const { phase } = this.store.value;
    const at = this.#freshness();
    this.store.set({ phase: phase === 'ready' ? 'ready' : 'failed', problem, at });
  }

  /** @returns {number | null} the moment that what is shown is of */
  #freshness() {
    const { at, connected, problem } = this.store.value;
    return at !== null && connected && !problem ? this.#clock.now() : at;
  }

  #forget() {
    this.#begin();
    this.#rows = new Rows(this.#options.key);
    for (const part of this.#parts.values()) {
      Object.assign(part, { wanted: this.#options.page, next: null });
    }
    this.store.set({ phase: 'loading', problem: '', at: null });
    this.#show();
  }

  /** As many rows of a part as are shown of it. */
  async #pages(part) {
    const rows = [];
    let next = '';
    let offset = Infinity;
    do {
      const limit = Math.min(part.wanted - rows.length, MOST);
      const page = await this.#page(part, next, limit);
      rows.push(...page.rows);
      offset = Math.min(offset, page.offset);
      next = page.next;
    } while (next && rows.length < part.wanted);
    return { rows, next, offset };
  }

  async #page({ params }, after, limit) {
    const asked = { ...params, ...(after && { after }), limit };
    const { result, offset } = await this.#hub.ask(this.#list, asked);
    return { rows: result[this.#options.plural], next: result.next ?? null, offset };
  }

  async #get(id) {
    const { plural, singular } = this.#options;
    const { result } = await this.#hub.ask(`${plural}.get`, { id });
    return result[singular];
  }

  #event({ type, subject, offset, data }) {
    const kind = `${this.#options.subject}/`;
    if (!subject?.startsWith(kind) || !(offset > this.#since)) return;
    const id = subject.slice(kind.length);
    if (type === `${this.#options.subject}_deleted`) this.drop(id);
    else if (this.#rows.touch(id, offset, data?.version)) this.#soon();
  }

  /** Reads what has changed: at once, or when the pace allows it. */
  #soon() {
    // What happened before the first reading is in it, or is read behind it.
    if (this.#since < 0 || this.#reloading || this.#rounds > 0) return;
    this.#schedule(() => this.#round());
  }

  #schedule(work, wait = this.#lastRound + PACE_MS - this.#clock.now()) {
    if (this.#timer !== null) return;
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = null;
        work();
      },
      Math.max(0, wait),
    );
  }

  async #round() {
    if (!this.#open || !REACHABLE.has(this.#hub.status.state)) return;
    if (this.#rows.dirty > FEW || this.#rows.size > this.#asked + SPARE) {
      const wait = this.#lastReload + PAGES_PACE_MS - this.#clock.now();
      return wait > 0 ? this.#schedule(() => this.#round(), wait) : this.reload();
    }
    this.#lastRound = this.#clock.now();
    const ids = this.#rows.take();
    this.#rounds += 1;
    const question = this.#question;
    const readers = Array.from({ length: Math.min(AT_ONCE, ids.length) }, async () => {
      for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
        await this.#reread(id, question);
      }
    });
    await Promise.all(readers);
    this.#rounds -= 1;
    if (question === this.#question) this.#show();
    if (this.#rows.dirty) this.#soon();
  }

  async #reread(id, question) {
    try {
      const row = await this.#options.read(id);
      if (question !== this.#question) return;
      if (row) this.#keep(row);
      else this.#rows.drop(id);
    } catch (error) {
      if (question !== this.#question || error.code === 'closed') return;
      if (GONE.has(error.code)) this.#rows.drop(id);
      else this.#late(error);
    }
  }

  /** One could not be read, and what is shown of it is old: everything is read, after a while. */
  #late(error) {
    this.#failed(sentenceOf(error));
    const wait = error.retryAfter ? error.retryAfter * 1000 : this.#backoff.next();
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      this.reload();
    }, wait);
  }

  #keep(row) {
    if (this.#accepts(row)) this.#rows.put(row);
    else this.#rows.drop(this.#options.key(row));
  }

  get #asked() {
    return [...this.#parts.values()].reduce((sum, { wanted }) => sum + wanted, 0);
  }

  #show() {
    const parts = [...this.#parts].map(([name, { next, loading = false }]) => {
      return [name, { more: next !== null && next !== '', loading }];
    });
    const rows = this.#rows.all().sort(this.#options.compare);
    this.store.set({ rows, parts: Object.fromEntries(parts) });
  }
}

function sameParams(params, others) {
  return JSON.stringify(params) === JSON.stringify(others);
}

/**
 * What a list has to say where no rows are, and whether what it shows is old.
 * @param {CollectionState} state
 * @param {number} [shown] how many of the rows are to be seen
 * @returns {'rows' | 'loading' | 'empty' | 'failed' | 'offline'}
 */
export function faceOf({ phase, rows, connected }, shown = rows.length) {
  if (shown > 0) return 'rows';
  if (phase === 'ready') return 'empty';
  if (!connected) return 'offline';
  return phase;
}

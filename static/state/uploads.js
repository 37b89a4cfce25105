/**
 * Files on their way to the hub: a few at a time, each sent once.
 *
 * Every file has an idempotency key of its own. Where the connection breaks, nobody knows whether
 * the hub has stored it: it is sent again under the same key as soon as the hub answers, which then
 * answers what it answered, or stores it. A person may leave the screen meanwhile.
 *
 *   waiting    for its turn
 *   sending    `sent` of `size` have left
 *   storing    all of it has left; the hub looks at it
 *   broken     the connection broke; it is sent again by itself
 *   done       the hub has it; `duplicate`: it had it before
 *   refused    it will not be taken, because of `problem`
 *   failed     it was not taken, because of `problem`; it may be if it is tried again
 *   cancelled
 */
import { Backoff } from '../client/backoff.js';
import { systemClock } from '../client/clock.js';
import { sentenceOf } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';
import { sendFile } from '../client/upload.js';
import { fileProblem } from './media.js';
import { Store } from './store.js';

const PATH = '/api/media/upload';
/** At once. More would only share the line. */
const AT_ONCE = 3;
/** How long a file is sent again by itself after the hub was heard last, ms. */
const PATIENCE_MS = 10 * 60_000;
/** The hub may take it a little later. */
const LATER = new Set([408, 425, 429, 502, 503, 504]);
/** Sent again, it is answered otherwise once who sends it may. */
const MENDABLE = new Set([401, 403]);
const OPEN = new Set(['waiting', 'sending', 'storing', 'broken']);

/**
 * @typedef {import('./media.js').Media} Media
 *
 * @typedef {object} Upload
 * @property {string} id its key
 * @property {string} name
 * @property {number} size bytes
 * @property {number} sent bytes
 * @property {'waiting' | 'sending' | 'storing' | 'broken' | 'done' | 'refused' | 'failed'
 *   | 'cancelled'} state
 * @property {string} problem
 * @property {string | null} merchantId
 * @property {Media | null} media what the hub has stored
 * @property {boolean} duplicate
 *
 * @typedef {object} Job what is not to be seen
 * @property {File} file
 * @property {(() => void) | null} abort
 * @property {Backoff} backoff
 * @property {any} timer
 * @property {number | null} since when it was sent again for the first time, ms
 */

/** @param {Pick<Upload, 'state'>} upload @returns {boolean} whether something is still to come */
export function isOpen({ state }) {
  return OPEN.has(state);
}

export class Uploads {
  #send;
  #clock;
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  #unlisten;

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'on'>} hub tells when it can be reached again
   * @param {object} [options]
   * @param {typeof sendFile} [options.send]
   * @param {import('../client/clock.js').Clock} [options.clock]
   */
  constructor(hub, { send = sendFile, clock = systemClock } = {}) {
    this.#send = send;
    this.#clock = clock;
    /** @type {Store<{ list: readonly Upload[] }>} in the order of their adding */
    this.store = new Store({ list: [] });
    this.#unlisten = hub.on('status', ({ state }) => state === 'live' && this.#resume());
  }

  /**
   * Takes files; what can be known to be wrong with one is said at once.
   * @param {Iterable<File>} files
   * @param {string | null} merchantId whose they will be; null: of who is signed in
   * @returns {Upload[]}
   */
  add(files, merchantId) {
    const added = [...files].map((file) => {
      const id = uuid7(this.#clock.now());
      const problem = fileProblem(file);
      const backoff = new Backoff({ base: 1_000, cap: 15_000 });
      this.#jobs.set(id, { file, abort: null, backoff, timer: null, since: null });
      const state = /** @type {const} */ (problem ? 'refused' : 'waiting');
      const { name, size } = file;
      const own = { id, name: name || 'picture', size, merchantId, state, problem };
      return { ...own, sent: 0, media: null, duplicate: false };
    });
    this.store.set({ list: [...this.store.value.list, ...added] });
    this.#next();
    return added;
  }

  /** @param {string} id */
  cancel(id) {
    const job = this.#jobs.get(id);
    if (!job || !isOpen(this.#of(id))) return;
    this.#clock.clearTimeout(job.timer);
    // Where it is too late, the answer says so.
    this.#change(id, { state: 'cancelled', problem: '' });
    job.abort?.();
    this.#next();
  }

  /** Sends again what has failed, under its key. @param {string} id */
  retry(id) {
    const upload = this.#of(id);
    if (!upload || (upload.state !== 'failed' && upload.state !== 'cancelled')) return;
    const job = this.#jobs.get(id);
    job.since = null;
    job.backoff.reset();
    this.#change(id, { state: 'waiting', sent: 0, problem: '' });
    this.#next();
  }

  /** Forgets what has come to its end. @param {(upload: Upload) => boolean} [which] */
  clear(which = () => true) {
    const kept = this.store.value.list.filter((each) => isOpen(each) || !which(each));
    for (const { id } of this.store.value.list) {
      if (!kept.some((each) => each.id === id)) this.#jobs.delete(id);
    }
    this.store.set({ list: kept });
  }

  /** Ends everything: nobody is signed in any more. */
  stop() {
    this.#unlisten();
    for (const { id } of this.store.value.list) this.cancel(id);
    this.clear();
  }

  #of(id) {
    return this.store.value.list.find((each) => each.id === id);
  }

  #change(id, changes) {
    const list = this.store.value.list.map((each) => {
      return each.id === id ? { ...each, ...changes } : each;
    });
    this.store.set({ list });
  }

  #next() {
    const { list } = this.store.value;
    let busy = list.filter(({ state }) => state === 'sending' || state === 'storing').length;
    for (const { id, state } of list) {
      if (busy >= AT_ONCE) return;
      if (state !== 'waiting') continue;
      busy += 1;
      this.#begin(id);
    }
  }

  async #begin(id) {
    const job = this.#jobs.get(id);
    const { merchantId, name, size } = this.#of(id);
    const whose = merchantId ? `?merchant_id=${encodeURIComponent(merchantId)}` : '';
    this.#change(id, { state: 'sending', sent: 0, problem: '' });
    const current = () => this.#jobs.get(id) === job && job.abort === abort;
    const { answer, abort } = this.#send({
      path: PATH + whose,
      file: job.file,
      headers: {
        'content-type': job.file.type || 'application/octet-stream',
        'x-file-name': encodeURIComponent(name),
        'idempotency-key': id,
      },
      onprogress: (sent) => {
        if (current()) this.#change(id, { sent, state: sent < size ? 'sending' : 'storing' });
      },
    });
    job.abort = abort;
    try {
      const { media, duplicate } = await answer;
      if (current()) this.#change(id, { state: 'done', sent: size, media, duplicate, problem: '' });
    } catch (error) {
      if (current()) await this.#failed(id, job, error);
    }
    if (job.abort === abort) job.abort = null;
    this.#next();
  }

  async #failed(id, job, error) {
    if (error.code === 'aborted') return;
    if (error.code === 'unreachable' && !(await readable(job.file))) {
      const problem = 'The file cannot be read any more. Choose it again.';
      if (isOpen(this.#of(id))) this.#change(id, { state: 'refused', problem });
      return;
    }
    if (!isOpen(this.#of(id))) return; // It was cancelled meanwhile.
    const sentence = wrongWith(error);
    if (error.code !== 'unreachable' && !LATER.has(error.status)) {
      const state = MENDABLE.has(error.status) || error.status >= 500 ? 'failed' : 'refused';
      this.#change(id, { state, problem: sentence });
      return;
    }
    job.since ??= this.#clock.now();
    if (this.#clock.now() - job.since > PATIENCE_MS) {
      this.#change(id, { state: 'failed', problem: sentence });
      return;
    }
    const asked = (error.retryAfter ?? 0) * 1000;
    const wait = Math.max(asked, job.backoff.next());
    this.#change(id, { state: 'broken', sent: 0, problem: sentence });
    job.timer = this.#clock.setTimeout(() => this.#again(id), wait);
  }

  #again(id) {
    if (this.#of(id)?.state !== 'broken') return;
    this.#clock.clearTimeout(this.#jobs.get(id).timer);
    this.#change(id, { state: 'waiting' });
    this.#next();
  }

  /** The hub is back: nobody need wait for a timer. */
  #resume() {
    for (const { id, state } of this.store.value.list) if (state === 'broken') this.#again(id);
  }
}

/** What the hub says of a file; where in the request it stands helps nobody. */
function wrongWith(error) {
  return error.errors?.map(({ message }) => message).join('; ') || sentenceOf(error);
}

/** A file that was changed or removed since it was chosen cannot be sent, as if the line broke. */
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

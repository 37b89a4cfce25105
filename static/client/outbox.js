/**
 * Published events on their way to the hub.
 *
 * An event stays here until the hub acknowledges or refuses it. When the connection breaks in
 * between, nobody knows whether it was stored: it is sent again under the same id, and the hub
 * answers a repeat with the first offset. Order is kept: while one waits, those behind it wait.
 */
import { Backoff } from './backoff.js';
import { systemClock } from './clock.js';
import { HubError } from './errors.js';
import { uuid7 } from './ids.js';

const RETRIED = new Set(['internal', 'unavailable', 'rate_limited']);
const MAX_TRIES = 10;

/**
 * @typedef {object} Ack
 * @property {string} id
 * @property {number} offset
 * @property {boolean} duplicate
 */

export class Outbox {
  /** @type {Map<string, any>} by ref, in publishing order */
  #entries = new Map();
  #send;
  #window;
  #capacity;
  #clock;
  #backoff;
  #limits = null;
  #inFlight = 0;
  #refs = 0;
  #timer = null;

  /**
   * @param {object} options
   * @param {(text: string) => void} options.send
   * @param {number} [options.window] how many may await their answer at once
   * @param {number} [options.capacity] how many may wait in all
   * @param {import('./clock.js').Clock} [options.clock]
   * @param {() => number} [options.random]
   */
  constructor({
    send,
    window = 256,
    capacity = 10_000,
    clock = systemClock,
    random = Math.random,
  }) {
    this.#send = send;
    this.#window = window;
    this.#capacity = capacity;
    this.#clock = clock;
    this.#backoff = new Backoff({ base: 500, cap: 10_000, random });
  }

  get size() {
    return this.#entries.size;
  }

  /**
   * @param {{ type: string, data: object, id?: string }} event and what else the publisher chooses
   * @returns {Promise<Ack>}
   */
  add(event) {
    if (this.size >= this.#capacity) {
      const message = `${this.size} events are waiting for the hub already.`;
      return Promise.reject(new HubError(message, { code: 'outbox_full' }));
    }
    this.#refs += 1;
    const ref = `p${this.#refs}`;
    const frame = { ...event, id: event.id ?? uuid7(this.#clock.now()), ref };
    return new Promise((resolve, reject) => {
      this.#entries.set(ref, { frame, sent: false, tries: 0, resolve, reject });
      this.#pump();
    });
  }

  /**
   * A connection stands: whatever has no answer yet goes out (again).
   * @param {{ message?: number, data?: number, in_flight?: number }} limits
   */
  opened(limits) {
    this.#limits = limits;
    this.#pump();
  }

  closed() {
    this.#limits = null;
    this.#inFlight = 0;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    for (const entry of this.#entries.values()) entry.sent = false;
  }

  /** @param {HubError} error */
  rejectAll(error) {
    for (const entry of this.#entries.values()) entry.reject(error);
    this.#entries.clear();
  }

  /**
   * @param {Ack & { ref?: string }} frame
   * @returns {boolean} whether it answered one of ours
   */
  ack(frame) {
    const entry = this.#entries.get(frame.ref);
    if (!entry) return false;
    this.#backoff.reset();
    this.#settle(frame.ref);
    entry.resolve({ id: frame.id, offset: frame.offset, duplicate: Boolean(frame.duplicate) });
    return true;
  }

  /**
   * @param {any} frame the hub's `error`
   * @returns {boolean} whether it answered one of ours
   */
  error(frame) {
    const entry = this.#entries.get(frame.ref);
    if (!entry) return false;
    entry.tries += 1;
    if (RETRIED.has(frame.code) && entry.tries < MAX_TRIES) {
      entry.sent = false;
      this.#inFlight -= 1;
      this.#later(frame.retry_after ? frame.retry_after * 1000 : this.#backoff.next());
      return true;
    }
    this.#settle(frame.ref);
    const { code, errors = [], retry_after: retryAfter = null } = frame;
    entry.reject(new HubError(frame.message, { code, errors, retryAfter }));
    return true;
  }

  #settle(ref) {
    if (this.#entries.get(ref).sent) this.#inFlight -= 1;
    this.#entries.delete(ref);
    this.#pump();
  }

  #later(delay) {
    // One timer for all: those refused behind the first one go out after it, in their old order.
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, delay);
  }

  #pump() {
    if (!this.#limits || this.#timer !== null) return;
    const window = Math.min(this.#window, this.#limits.in_flight ?? this.#window);
    for (const [ref, entry] of this.#entries) {
      if (this.#inFlight >= window) return;
      if (entry.sent) continue;
      const text = JSON.stringify(entry.frame);
      const problem = this.#oversize(entry.frame, text);
      if (problem) {
        this.#entries.delete(ref);
        entry.reject(problem);
        continue;
      }
      entry.sent = true;
      this.#inFlight += 1;
      this.#send(text);
    }
  }

  /** The hub closes on a message that is too large: such a one would be sent again for ever. */
  #oversize(frame, text) {
    const { message = Infinity, data = Infinity } = this.#limits;
    if (exceeds(text, message)) return tooLarge('', message);
    if (exceeds(JSON.stringify(frame.data ?? {}), data)) return tooLarge('/data', data);
    return null;
  }
}

function exceeds(text, limit) {
  // UTF-8 takes at most three bytes for one UTF-16 unit: most texts need no encoding to be judged.
  return text.length * 3 > limit && new TextEncoder().encode(text).length > limit;
}

function tooLarge(pointer, limit) {
  const message = `is larger than ${limit} bytes`;
  return new HubError(`The event ${message}.`, {
    code: 'too_large',
    errors: [{ pointer, message }],
  });
}

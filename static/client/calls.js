/**
 * Commands by name over the socket (`call`), each answered by its `reply` or `error`.
 *
 * A call belongs to the connection that it was sent on. When that one breaks, nobody knows whether
 * the hub has done what was asked: the call is refused with the code `closed`, and repeating it is
 * left to the caller, who knows whether a second time does harm.
 */
import { systemClock } from './clock.js';
import { HubError } from './errors.js';

const TIMEOUT_MS = 10_000;

/**
 * @typedef {object} CallOptions
 * @property {string} [key] the idempotency key: the same call under it is carried out once
 * @property {number} [ifMatch] the version that the row must have, else `precondition_failed`
 *
 * @typedef {object} Answer
 * @property {any} result
 * @property {string} epoch
 * @property {number} offset the log's end before what was read, or behind what was written
 */

export class Calls {
  /** @type {Map<string, { resolve: Function, reject: Function, timer: any }>} by ref */
  #pending = new Map();
  #send;
  #clock;
  #timeout;
  #refs = 0;
  #open = false;

  /**
   * @param {object} options
   * @param {(frame: object) => void} options.send
   * @param {number} [options.timeout] how long an answer may take, ms
   * @param {import('./clock.js').Clock} [options.clock]
   */
  constructor({ send, timeout = TIMEOUT_MS, clock = systemClock }) {
    this.#send = send;
    this.#timeout = timeout;
    this.#clock = clock;
  }

  /** How many await their answer. */
  get size() {
    return this.#pending.size;
  }

  /**
   * @param {string} method such as `sessions.list`
   * @param {object} [params]
   * @param {CallOptions} [options]
   * @returns {Promise<Answer>} rejected with a `HubError`: the hub's refusal, `closed` without a
   *   connection, `timeout` without an answer
   */
  call(method, params = {}, { key, ifMatch } = {}) {
    if (!this.#open) {
      return Promise.reject(new HubError('There is no connection to the hub.', { code: 'closed' }));
    }
    this.#refs += 1;
    const ref = `c${this.#refs}`;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => this.#late(ref, method), this.#timeout);
      this.#pending.set(ref, { resolve, reject, timer });
      this.#send({
        type: 'call',
        ref,
        method,
        params,
        ...(key !== undefined && { key }),
        ...(ifMatch !== undefined && { if_match: `"${ifMatch}"` }),
      });
    });
  }

  /** A connection stands. */
  opened() {
    this.#open = true;
  }

  /** The connection is gone, and with it every answer. */
  closed() {
    this.#open = false;
    const message = 'The connection broke before the hub answered.';
    for (const ref of [...this.#pending.keys()]) {
      this.#take(ref).reject(new HubError(message, { code: 'closed' }));
    }
  }

  /**
   * @param {{ ref?: string, result?: any, epoch?: string, offset?: number }} frame
   * @returns {boolean} whether it answered one of ours
   */
  reply(frame) {
    const pending = this.#take(frame.ref);
    const { result, epoch, offset } = frame;
    pending?.resolve({ result, epoch, offset });
    return pending !== null;
  }

  /**
   * @param {any} frame the hub's `error`
   * @returns {boolean} whether it answered one of ours
   */
  error(frame) {
    const pending = this.#take(frame.ref);
    pending?.reject(refusal(frame));
    return pending !== null;
  }

  #late(ref, method) {
    const message = `The hub has not answered ${method} within ${this.#timeout / 1000} s.`;
    this.#take(ref)?.reject(new HubError(message, { code: 'timeout' }));
  }

  #take(ref) {
    const pending = this.#pending.get(ref);
    if (!pending) return null;
    this.#pending.delete(ref);
    this.#clock.clearTimeout(pending.timer);
    return pending;
  }
}

function refusal({ message, code, errors = [], retry_after: retryAfter = null }) {
  return new HubError(message, { code, errors, retryAfter });
}

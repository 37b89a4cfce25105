/**
 * Commands that change something, each carried out once.
 *
 * Every one has an idempotency key of its own. Where the connection breaks before the answer,
 * nobody knows whether the hub has done it: it is asked again under the same key as soon as there
 * is a connection, and answers what it answered, or does it. A person sees one answer.
 */
import { systemClock } from '../client/clock.js';
import { HubError } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';

/** How long a person is left waiting for an answer, ms. */
const PATIENCE_MS = 60_000;
/** Before a hub is asked again that says it cannot answer just now, ms. */
const PAUSE_MS = 500;

/** Whether these were carried out is not known, and the hub can tell. */
const UNKNOWN = new Set(['closed', 'timeout', 'unavailable']);

export class Commands {
  #hub;
  #clock;
  #patience;

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'call' | 'on' | 'status'>} hub
   * @param {import('../client/clock.js').Clock} [clock]
   * @param {number} [patience] ms
   */
  constructor(hub, clock = systemClock, patience = PATIENCE_MS) {
    this.#hub = hub;
    this.#clock = clock;
    this.#patience = patience;
  }

  /**
   * @param {string} method such as `orders.set_status`
   * @param {object} params
   * @param {{ ifMatch?: number }} [options] the version that the row must have
   * @returns {Promise<any>} its result; rejected with a `HubError`, with the code `unanswered`
   *   where the hub has not said in time whether it was done
   */
  async run(method, params, { ifMatch } = {}) {
    const key = uuid7(this.#clock.now());
    const end = this.#clock.now() + this.#patience;
    for (;;) {
      try {
        return await this.#hub.call(method, params, { key, ifMatch });
      } catch (error) {
        if (!UNKNOWN.has(error.code)) throw error;
        if (!(await this.#again(end, error))) throw unanswered(method, error);
      }
    }
  }

  /** Waits until the hub can be asked again. @returns {Promise<boolean>} false: it is too late */
  #again(end, { code, retryAfter }) {
    const rest = end - this.#clock.now();
    if (rest <= 0) return Promise.resolve(false);
    if (code === 'closed') return this.#live(rest);
    const pause = Math.min(Math.max(PAUSE_MS, (retryAfter ?? 0) * 1000), rest);
    return new Promise((resolve) => {
      this.#clock.setTimeout(() => resolve(pause < rest), pause);
    });
  }

  /** @param {number} within ms @returns {Promise<boolean>} whether there is a connection by then */
  #live(within) {
    if (this.#hub.status.state === 'live') return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (live) => {
        this.#clock.clearTimeout(timer);
        stop();
        resolve(live);
      };
      const timer = this.#clock.setTimeout(() => settle(false), within);
      const stop = this.#hub.on('status', ({ state }) => state === 'live' && settle(true));
    });
  }
}

function unanswered(method, cause) {
  const message = `The hub has not said whether ${method} was done. What is shown here will tell.`;
  return new HubError(message, { code: 'unanswered', cause });
}

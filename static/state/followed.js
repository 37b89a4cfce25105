/**
 * Something that is read from the hub, and again when an event says that it has changed: the
 * details of a row, of which several commands tell a part each.
 */
import { Backoff } from '../client/backoff.js';
import { systemClock } from '../client/clock.js';
import { sentenceOf } from '../client/errors.js';
import { Store } from './store.js';

/** Between two readings, however many events come, ms. */
const PACE_MS = 250;

/**
 * @template T
 * @typedef {object} FollowedState
 * @property {T | null} value the last that was read
 * @property {string} problem why the last reading failed; a lost connection is no problem
 * @property {boolean} gone whether the hub says that it is not there
 */

/** @template T */
export class Followed {
  #hub;
  #read;
  #concerns;
  #clock;
  #backoff = new Backoff({ base: 1_000, cap: 15_000 });
  #timer = null;
  #lastRound = -Infinity;
  #reading = false;
  #again = false;
  #stopped = false;
  /** @type {(() => void)[]} */
  #ends = [];

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'on' | 'status'>} hub
   * @param {object} options
   * @param {() => Promise<T>} options.read
   * @param {(frame: any) => boolean} options.concerns whether an event is about it
   * @param {import('../client/clock.js').Clock} [options.clock]
   */
  constructor(hub, { read, concerns, clock = systemClock }) {
    this.#hub = hub;
    this.#read = read;
    this.#concerns = concerns;
    this.#clock = clock;
    /** @type {Store<FollowedState<T>>} */
    this.store = new Store({ value: null, problem: '', gone: false });
    let live = hub.status.state === 'live';
    this.#ends = [
      hub.on('event', (frame) => this.#concerns(frame) && this.touch()),
      hub.on('gap', () => this.touch()),
      hub.on('status', ({ state }) => {
        const before = live;
        live = state === 'live';
        if (live && !before) this.touch();
      }),
    ];
    this.touch();
  }

  /** Nobody looks any more. */
  stop() {
    this.#stopped = true;
    for (const end of this.#ends) end();
    this.#clock.clearTimeout(this.#timer);
  }

  /** Reads it again: at once, or when the pace allows it. */
  touch() {
    if (this.#reading) this.#again = true;
    else this.#schedule(Math.max(0, this.#lastRound + PACE_MS - this.#clock.now()));
  }

  #schedule(wait) {
    if (this.#stopped) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#round(), wait);
  }

  async #round() {
    if (this.#hub.status.state !== 'live') return;
    this.#lastRound = this.#clock.now();
    this.#reading = true;
    this.#again = false;
    let wait = null;
    try {
      const value = await this.#read();
      if (this.#stopped) return;
      this.#backoff.reset();
      this.store.set({ value, problem: '', gone: false });
    } catch (error) {
      if (this.#stopped) return;
      if (error.code === 'not_found') this.store.set({ gone: true });
      // A connection that broke is followed by another, and that one by a reading.
      else if (error.code !== 'closed') {
        wait = error.retryAfter ? error.retryAfter * 1000 : this.#backoff.next();
        this.store.set({ problem: sentenceOf(error) });
      }
    } finally {
      this.#reading = false;
    }
    if (wait !== null) this.#schedule(wait);
    else if (this.#again) this.touch();
  }
}

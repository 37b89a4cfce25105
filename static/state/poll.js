/**
 * Something that is read from the hub again and again while somebody looks at it.
 *
 * One reading at a time: whoever asks for a fresh one during a reading gets another after it, so
 * that what is shown after an action is what the hub said after it.
 */
import { systemClock } from '../client/clock.js';
import { sentenceOf } from '../client/errors.js';
import { Store } from './store.js';

/**
 * @template T
 * @typedef {object} Reading
 * @property {T | null} value the last one that succeeded
 * @property {number | null} at when it did, ms
 * @property {string} problem why the last one did not; a lost connection is no problem of its own
 */

/** @template T */
export class Poll {
  #read;
  #every;
  #clock;
  #timer = null;
  #active = false;
  #reading = false;
  #again = false;
  #question = 0;

  /**
   * @param {object} options
   * @param {() => Promise<T>} options.read
   * @param {() => number} [options.every] the pause between two readings, ms
   * @param {import('../client/clock.js').Clock} [options.clock]
   */
  constructor({ read, every = () => 2_000, clock = systemClock }) {
    this.#read = read;
    this.#every = every;
    this.#clock = clock;
    /** @type {Store<Reading<T>>} */
    this.store = new Store({ value: null, at: null, problem: '' });
  }

  /**
   * Goes on, or rests. What was read stays.
   * @param {boolean} active whether somebody looks, and the hub can be asked
   */
  run(active) {
    if (active === this.#active) return;
    this.#active = active;
    this.#clock.clearTimeout(this.#timer);
    if (active) this.refresh();
  }

  /** Another question from here on: what was read answers it no more. */
  forget() {
    this.#question += 1;
    this.store.set({ value: null, at: null, problem: '' });
    this.refresh();
  }

  /** Reads now, or as soon as the reading that is under way has ended. */
  refresh() {
    if (!this.#active) return;
    if (this.#reading) this.#again = true;
    else this.#round();
  }

  async #round() {
    this.#clock.clearTimeout(this.#timer);
    this.#reading = true;
    this.#again = false;
    const question = this.#question;
    let changes = {};
    let wait = 0;
    try {
      changes = { value: await this.#read(), at: this.#clock.now(), problem: '' };
    } catch (error) {
      if (error.code !== 'closed') changes = { problem: sentenceOf(error) };
      wait = (error.retryAfter ?? 0) * 1000;
    }
    this.#reading = false;
    if (question === this.#question) this.store.set(changes);
    if (!this.#active) return;
    if (this.#again && wait === 0) this.#round();
    else this.#timer = this.#clock.setTimeout(() => this.#round(), Math.max(wait, this.#every()));
  }
}

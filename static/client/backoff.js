/**
 * How long to wait before the next attempt: exponential growth with full jitter.
 *
 * A hub that restarts meets all its clients at once. Spreading each wait over the WHOLE interval,
 * from nothing to the ceiling, is what keeps them from coming back in waves.
 */

/**
 * A random whole number of milliseconds in a closed range.
 * @param {number} min
 * @param {number} max
 * @param {() => number} [random]
 * @returns {number}
 */
export function between(min, max, random = Math.random) {
  return Math.round(min + random() * Math.max(0, max - min));
}

export class Backoff {
  #base;
  #cap;
  #random;

  /**
   * @param {object} [options]
   * @param {number} [options.base] ceiling of the first wait, ms
   * @param {number} [options.cap] ceiling of every later wait, ms
   * @param {() => number} [options.random]
   */
  constructor({ base = 400, cap = 15_000, random = Math.random } = {}) {
    this.#base = base;
    this.#cap = cap;
    this.#random = random;
    /** How many waits were taken since the last reset. */
    this.attempt = 0;
  }

  /** The highest value that `next()` may return now. */
  get ceiling() {
    // The exponent is bounded so that a hub that is away for days does not overflow into Infinity.
    return Math.min(this.#cap, this.#base * 2 ** Math.min(this.attempt, 30));
  }

  /** @returns {number} the next wait, ms */
  next() {
    const delay = between(0, this.ceiling, this.#random);
    this.attempt += 1;
    return delay;
  }

  reset() {
    this.attempt = 0;
  }
}

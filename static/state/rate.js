/** Counts per second over the last minute, for the throughput line. */
export class Rate {
  #counts;
  #second = 0;
  #now;

  /**
   * @param {number} [seconds] how many are remembered
   * @param {() => number} [now] milliseconds
   */
  constructor(seconds = 60, now = Date.now) {
    this.#counts = new Array(seconds).fill(0);
    this.#now = now;
    this.#second = Math.floor(now() / 1000);
  }

  add() {
    this.#turn();
    this.#counts[this.#counts.length - 1] += 1;
  }

  /** Oldest first; the last one is the second that is still running. @returns {readonly number[]} */
  get seconds() {
    this.#turn();
    return this.#counts;
  }

  /** The mean of the last five whole seconds. @returns {number} */
  get perSecond() {
    return this.seconds.slice(-6, -1).reduce((sum, count) => sum + count, 0) / 5;
  }

  #turn() {
    const second = Math.floor(this.#now() / 1000);
    const passed = Math.min(Math.max(second - this.#second, 0), this.#counts.length);
    this.#second = second;
    for (let index = 0; index < passed; index += 1) {
      this.#counts.shift();
      this.#counts.push(0);
    }
  }
}

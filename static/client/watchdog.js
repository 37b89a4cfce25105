/**
 * Notices a connection that is dead although nobody closed it.
 *
 * The hub speaks at least once per heartbeat. After one and a half of them in silence it is asked
 * (`ping`), and only when one more passes without an answer is it given up. Asking first matters: a
 * laptop that wakes up finds an old "last heard" time on a connection that may be perfectly well.
 */
import { systemClock } from './clock.js';

export class Watchdog {
  #clock;
  #ask;
  #giveUp;
  #timer = null;
  #heartbeat = 0;
  #heard = 0;
  #asked = 0;

  /**
   * @param {object} options
   * @param {() => void} options.ask sends a ping
   * @param {() => void} options.giveUp abandons the connection
   * @param {import('./clock.js').Clock} [options.clock]
   */
  constructor({ ask, giveUp, clock = systemClock }) {
    this.#ask = ask;
    this.#giveUp = giveUp;
    this.#clock = clock;
  }

  /** @param {number} seconds the hub's heartbeat */
  start(seconds) {
    this.stop();
    this.#heartbeat = seconds * 1000;
    this.heard();
    this.#check();
  }

  /** To be called for everything that arrives: cheap, it touches no timer. */
  heard() {
    this.#heard = this.#clock.now();
    this.#asked = 0;
  }

  stop() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #check() {
    const now = this.#clock.now();
    if (this.#asked && now - this.#asked >= this.#heartbeat) {
      this.stop();
      this.#giveUp();
      return;
    }
    if (!this.#asked && now - this.#heard >= 1.5 * this.#heartbeat) {
      this.#asked = now;
      this.#ask();
    }
    this.#timer = this.#clock.setTimeout(() => this.#check(), this.#heartbeat / 4);
  }
}

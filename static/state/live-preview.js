/**
 * How a template looks while it is written: `templates.preview` asked after a short rest of the
 * keys, one question at a time. What is shown is always of the latest question that was answered,
 * and the latest of all is always asked.
 */
import { systemClock } from '../client/clock.js';
import { sentenceOf } from '../client/errors.js';
import { Store } from './store.js';

/** Long enough not to ask for every letter, short enough not to be waited for, ms. */
const TYPING_MS = 120;
/** Before a hub is asked again that has refused to answer just now, ms. */
const PAUSE_MS = 2_000;

/**
 * @typedef {object} PreviewResult the answer of `templates.preview`
 * @property {Record<string, any>} preview a message or null by format
 * @property {Record<string, any>} content the template with its values filled in
 * @property {string[]} variables
 * @property {string[]} missing
 * @property {string[]} warnings
 * @property {{ pointer: string, message: string }[]} errors
 *
 * @typedef {object} PreviewState
 * @property {PreviewResult | null} result of the latest question that the hub could take
 * @property {{ pointer: string, message: string }[]} errors what is wrong with what is written
 * @property {string} problem why the hub has not answered
 * @property {boolean} pending whether there is a later question than what is shown
 */

export class LivePreview {
  #hub;
  #clock;
  #timer = null;
  #asking = false;
  #stopped = false;
  /** The question as it was asked last, and as it is to be asked. */
  #asked = '';
  #wanted = '';
  #end;

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'call' | 'on' | 'status'>} hub
   * @param {import('../client/clock.js').Clock} [clock]
   */
  constructor(hub, clock = systemClock) {
    this.#hub = hub;
    this.#clock = clock;
    /** @type {Store<PreviewState>} */
    this.store = new Store({ result: null, errors: [], problem: '', pending: false });
    this.#end = hub.on('status', ({ state }) => state === 'live' && this.#schedule(0));
  }

  /**
   * @param {object} params of `templates.preview`
   * @param {boolean} [again] even if it is the same question: what it is about may have changed
   */
  show(params, again = false) {
    const wanted = JSON.stringify(params);
    if (again) this.#asked = '';
    if (wanted === this.#wanted && !again) return;
    const first = this.#wanted === '';
    this.#wanted = wanted;
    this.store.set({ pending: true });
    this.#schedule(first ? 0 : TYPING_MS);
  }

  stop() {
    this.#stopped = true;
    this.#end();
    this.#clock.clearTimeout(this.#timer);
  }

  #schedule(wait) {
    if (this.#stopped || this.#wanted === this.#asked) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#ask(), wait);
  }

  async #ask() {
    if (this.#asking || this.#hub.status.state !== 'live') return;
    this.#asking = true;
    const question = this.#wanted;
    this.#asked = question;
    let wait = 0;
    try {
      const result = await this.#hub.call('templates.preview', JSON.parse(question));
      if (!this.#stopped) this.store.set({ result, errors: result.errors, problem: '' });
    } catch (error) {
      wait = this.#failed(error, question);
    } finally {
      this.#asking = false;
    }
    if (this.#stopped) return;
    if (this.#asked === this.#wanted) this.store.set({ pending: false });
    else this.#schedule(wait);
  }

  /** @returns {number} how long to wait before the next question, ms */
  #failed(error, question) {
    if (this.#stopped) return 0;
    if (error.code === 'invalid_params') {
      const errors = error.errors.length ? error.errors : [{ pointer: '', message: error.message }];
      this.store.set({ errors: errors.map(aboutTemplate), problem: '' });
      return 0;
    }
    // It was not answered: unless another is asked, it is asked again.
    if (this.#asked === question) this.#asked = '';
    if (error.code === 'closed') return 0;
    this.store.set({ problem: sentenceOf(error) });
    return error.retryAfter ? error.retryAfter * 1000 : PAUSE_MS;
  }
}

/** The same fault by a pointer into the template. */
function aboutTemplate({ pointer, message }) {
  return { pointer: pointer.replace(/^(\/params)?(\/template(?=\/))?/, ''), message };
}

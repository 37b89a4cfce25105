/**
 * Who is signed in. The cookie itself is out of reach of scripts; this is what the hub says of it.
 *
 * Only the hub can end a session. A sign-out that it does not hear is remembered in this browser
 * and said again, also by the next page that is opened, until it has heard it.
 */
import { Backoff } from '../client/backoff.js';
import { systemClock } from '../client/clock.js';
import { sentenceOf } from '../client/errors.js';
import { Store } from './store.js';

const SIGNED_OUT = 'You have signed out.';
const UNHEARD =
  'You have signed out of this page. The hub could not be told yet: it is, as soon as it answers.';

/**
 * @typedef {object} Visitor
 * @property {string} role
 * @property {string | null} merchant_id
 * @property {string} name
 * @property {string | null} expires_at
 *
 * @typedef {object} SessionState
 * @property {'unknown' | 'in' | 'out'} status
 * @property {Visitor | null} session
 * @property {string} example a line to paste that publishes a first event
 * @property {string} message why nobody is signed in, for the sign-in view
 * @property {boolean} calm whether that is what the visitor wanted
 * @property {boolean} unsure whether the hub has not said that nobody is: asking again may help
 */

export class Session {
  #rest;
  #clock;
  #farewell;
  #backoff = new Backoff({ base: 2_000, cap: 15_000 });
  #timer = null;
  /** @type {Promise<any> | null} the sign-out that is under way */
  #leaving = null;

  /**
   * @param {import('../client/rest.js').Rest} rest
   * @param {object} [options]
   * @param {import('./preferences.js').Mark} [options.farewell] whether a sign-out is unheard
   * @param {import('../client/clock.js').Clock} [options.clock]
   */
  constructor(rest, { farewell = { set: false }, clock = systemClock } = {}) {
    this.#rest = rest;
    this.#clock = clock;
    this.#farewell = farewell;
    /** @type {Store<SessionState>} */
    this.store = new Store({
      status: 'unknown',
      session: null,
      example: '',
      message: '',
      calm: false,
      unsure: false,
    });
  }

  /**
   * Signs in by the ticket of a link. One that is used or too old is no reason to be sent away
   * while the cookie of an earlier visit still holds: reloading the link is what people do.
   * @param {string} ticket
   */
  async redeem(ticket) {
    try {
      await this.#exchange({ ticket });
    } catch (error) {
      await this.load(sentenceOf(error));
    }
  }

  /**
   * Signs in by a key; a refusal is thrown to the form.
   * @param {string} key
   */
  async enter(key) {
    try {
      await this.#exchange({ key });
    } catch (error) {
      if (this.#farewell.set) this.#later(this.#backoff.next());
      throw error;
    }
  }

  /**
   * Finds out whether the cookie holds.
   * @param {string} [message] what to say when it does not
   */
  async load(message = '') {
    if (this.#farewell.set) return this.signOut();
    try {
      this.#in(await this.#rest.get('/api/session'));
    } catch (error) {
      const signedOut = error.status === 401 || error.status === 403;
      this.end(message || (signedOut ? '' : sentenceOf(error)), { unsure: !signedOut });
    }
  }

  /**
   * Whether the session still stands.
   * @returns {Promise<boolean>} false only when the hub says so
   */
  async holds() {
    try {
      await this.#rest.get('/api/session');
      return true;
    } catch (error) {
      return error.status !== 401;
    }
  }

  /** Ends the session: here at once, at the hub as soon as it answers. */
  async signOut() {
    this.#farewell.set = true;
    this.#backoff.reset();
    this.end('Signing out…', { calm: true });
    await this.#leave();
  }

  /**
   * @param {string} message why
   * @param {{ calm?: boolean, unsure?: boolean }} [how]
   */
  end(message, { calm = false, unsure = false } = {}) {
    this.store.set({ status: 'out', session: null, message, calm, unsure });
  }

  async #leave() {
    // Another page of this browser has been heard meanwhile, or has signed in anew.
    if (!this.#farewell.set) return this.#left(SIGNED_OUT);
    try {
      this.#leaving = this.#rest.delete('/api/session');
      await this.#leaving;
      this.#left(SIGNED_OUT);
    } catch (error) {
      const { status } = error;
      if (status === 401) return this.#left(SIGNED_OUT);
      // Refused, and again if it were tried again.
      if (status >= 400 && status < 500 && status !== 429) return this.#refused(error);
      this.end(status === 429 ? `${UNHEARD} ${sentenceOf(error)}` : UNHEARD, { calm: true });
      this.#later(error.retryAfter ? error.retryAfter * 1000 : this.#backoff.next());
    } finally {
      this.#leaving = null;
    }
  }

  #refused({ message }) {
    this.#farewell.set = false;
    this.end(`The hub has not ended the session: ${message}`);
  }

  #left(message) {
    this.#farewell.set = false;
    this.end(message, { calm: true });
  }

  #later(delay) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#leave(), delay);
  }

  async #exchange(proof) {
    // A farewell that arrives behind the new cookie would end the new session.
    this.#clock.clearTimeout(this.#timer);
    await this.#leaving?.catch(() => {});
    this.#clock.clearTimeout(this.#timer);
    this.#in(await this.#rest.post('/api/session', proof));
  }

  #in({ session, example = '' }) {
    this.#farewell.set = false;
    this.store.set({ status: 'in', session, example, message: '', unsure: false, calm: false });
  }
}

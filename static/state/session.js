/**
 * Who is signed in. The cookie itself is out of reach of scripts; this is what the hub says of it.
 */
import { Store } from './store.js';

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
 */

export class Session {
  #rest;

  /** @param {import('../client/rest.js').Rest} rest */
  constructor(rest) {
    this.#rest = rest;
    /** @type {Store<SessionState>} */
    this.store = new Store({ status: 'unknown', session: null, example: '', message: '' });
  }

  /**
   * Signs in by the ticket of a link. One that is used or too old is no reason to be sent away
   * while the cookie of an earlier visit still holds: reloading the link is what people do.
   * @param {string} ticket
   */
  async redeem(ticket) {
    try {
      this.#in(await this.#rest.post('/api/session', { ticket }));
    } catch (error) {
      await this.load(error.message);
    }
  }

  /**
   * Signs in by a key; a refusal is thrown to the form.
   * @param {string} key
   */
  async enter(key) {
    this.#in(await this.#rest.post('/api/session', { key }));
  }

  /**
   * Finds out whether the cookie holds.
   * @param {string} [message] what to say when it does not
   */
  async load(message = '') {
    try {
      this.#in(await this.#rest.get('/api/session'));
    } catch (error) {
      const signedOut = error.status === 401 || error.status === 403;
      this.end(message || (signedOut ? '' : error.message));
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

  /** @param {string} message */
  end(message) {
    this.store.set({ status: 'out', session: null, message });
  }

  #in({ session, example = '' }) {
    this.store.set({ status: 'in', session, example, message: '' });
  }
}

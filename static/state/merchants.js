/**
 * The merchants this session may see, and what they are called.
 */
import { sentenceOf } from '../client/errors.js';
import { Store } from './store.js';

const PAGE = 1_000;

/**
 * @typedef {object} Merchant
 * @property {string} id
 * @property {string} name
 *
 * @typedef {object} MerchantsState
 * @property {Merchant[]} list
 * @property {string} problem why the list could not be read
 */

export class Merchants {
  #rest;
  /** @type {Map<string, string>} */
  #names = new Map();
  /** @type {Set<string>} ids that were looked for; one that stays unknown is not looked for again */
  #sought = new Set();
  #loaded = false;

  /** @param {import('../client/rest.js').Rest} rest */
  constructor(rest) {
    this.#rest = rest;
    /** @type {Store<MerchantsState>} */
    this.store = new Store({ list: [], problem: '' });
  }

  async load() {
    try {
      const list = await this.#all();
      this.#names = new Map(list.map(({ id, name }) => [id, name]));
      this.#loaded = true;
      this.store.set({ list, problem: '' });
    } catch (error) {
      this.store.set({ problem: sentenceOf(error) });
    }
  }

  /** @returns {Promise<Merchant[]>} */
  async #all() {
    const list = [];
    let after = '';
    do {
      const page = await this.#rest.get(`/api/merchants?limit=${PAGE}&after=${after}`);
      list.push(...page.merchants);
      after = page.next ?? '';
    } while (after);
    return list;
  }

  /**
   * To be told of the merchant of every event: one that was made meanwhile is asked for.
   * @param {string} id
   */
  meet(id) {
    if (!this.#loaded || this.#names.has(id) || this.#sought.has(id)) return;
    this.#sought.add(id);
    this.load();
  }

  /**
   * @param {string | null | undefined} id
   * @returns {string} the name, or the id of a merchant that is not known
   */
  name(id) {
    return this.#names.get(id) ?? id ?? '';
  }
}

/**
 * The merchants this session may see, and what they are called.
 */
import { Store } from './store.js';

/**
 * @typedef {object} MerchantsState
 * @property {{ id: string, name: string }[]} list
 * @property {string} problem why the list could not be read
 */

export class Merchants {
  #rest;

  /** @param {import('../client/rest.js').Rest} rest */
  constructor(rest) {
    this.#rest = rest;
    /** @type {Store<MerchantsState>} */
    this.store = new Store({ list: [], problem: '' });
  }

  async load() {
    try {
      const { merchants } = await this.#rest.get('/api/merchants');
      this.store.set({ list: merchants, problem: '' });
    } catch (error) {
      this.store.set({ problem: error.message });
    }
  }

  /**
   * @param {string | null | undefined} id
   * @returns {string} the name, or the id of a merchant that is not in the list
   */
  name(id) {
    return this.store.value.list.find((merchant) => merchant.id === id)?.name ?? id ?? '';
  }
}

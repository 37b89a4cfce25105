/**
 * `<list-state>`: what a list says where it shows no rows: that it loads, that there is nothing and
 * what to do about it, why it could not be read, or that the hub is away.
 */
import './empty-state.js';
import { faceOf } from '../state/collection.js';
import { h } from './dom.js';
import { sentence } from './fields.js';

/** Rows that are on their way are hinted at, not counted. */
const BONES = 6;

export class ListState extends HTMLElement {
  /** @type {any} */
  #empty = h('empty-state');
  #bones = h(
    'div',
    { class: 'bones', 'aria-hidden': 'true' },
    ...Array.from({ length: BONES }, () => h('div', { class: 'bone' })),
  );
  #spoken = h('p', { class: 'unseen', role: 'status' });

  connectedCallback() {
    if (!this.firstChild) this.append(this.#bones, this.#empty, this.#spoken);
  }

  /**
   * @param {import('../state/collection.js').CollectionState} state
   * @param {object} says
   * @param {number} [says.shown] how many rows are to be seen; all of them
   * @param {string} says.what the rows, as `orders`
   * @param {{ title: string, text?: string, action?: { label: string, run: () => void } | null }}
   *   says.empty where there are none
   * @param {() => void} [says.retry] reads again
   */
  show(state, { shown, what, empty, retry }) {
    const face = faceOf(state, shown);
    this.dataset.face = face;
    this.hidden = face === 'rows';
    this.#bones.hidden = face !== 'loading';
    this.#empty.hidden = face === 'loading';
    const spoken = face === 'loading' ? `Loading the ${what}…` : '';
    if (this.#spoken.textContent !== spoken) this.#spoken.textContent = spoken;
    if (face === 'empty') this.#empty.show(empty);
    else if (face === 'offline') this.#empty.show({ title: 'Not connected' });
    else if (face === 'failed') {
      this.#empty.show({
        title: `The ${what} could not be read`,
        text: sentence(state.problem),
        action: retry ? { label: 'Try again', run: retry } : null,
      });
    }
  }
}

customElements.define('list-state', ListState);

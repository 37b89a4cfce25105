/**
 * `<empty-state>`: why there is nothing to see, and what to do about it.
 */
import { h } from './dom.js';
import './copy-button.js';

export class EmptyState extends HTMLElement {
  #shown = '';

  /**
   * @param {object} content
   * @param {string} content.title
   * @param {string} [content.text]
   * @param {string} [content.example] a line to paste into a terminal
   * @param {{ label: string, run: () => void } | null} [content.action]
   */
  show({ title, text = '', example = '', action = null }) {
    // Drawn with every frame of the list: built again only when it says something else.
    const key = JSON.stringify([title, text, example, action?.label]);
    if (key === this.#shown) return;
    this.#shown = key;
    this.replaceChildren(
      h('h2', { text: title }),
      text ? h('p', { text }) : '',
      example ? this.#example(example) : '',
      action
        ? h('button', { type: 'button', class: 'button', text: action.label, onclick: action.run })
        : '',
    );
  }

  #example(example) {
    const copy = h('copy-button', { label: 'Copy' });
    copy.text = () => example;
    return h(
      'div',
      { class: 'example' },
      h('pre', { tabindex: '0' }, h('code', { text: example })),
      copy,
    );
  }
}

customElements.define('empty-state', EmptyState);

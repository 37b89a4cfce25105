/**
 * `<progress-bar>`: how far something is.
 */
import { h } from './dom.js';

export class ProgressBar extends HTMLElement {
  #fill = h('span', { class: 'progress-fill' });

  connectedCallback() {
    if (!this.firstChild) this.append(this.#fill);
    this.setAttribute('role', 'progressbar');
    this.setAttribute('aria-valuemin', '0');
    this.setAttribute('aria-valuemax', '100');
  }

  /** @param {number} percent @param {string} label what it is that is so far */
  show(percent, label) {
    const shown = Math.max(0, Math.min(100, percent));
    this.setAttribute('aria-valuenow', String(shown));
    this.setAttribute('aria-label', label);
    this.#fill.style.width = `${shown}%`;
  }
}

customElements.define('progress-bar', ProgressBar);

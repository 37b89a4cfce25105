/**
 * `<reading-status>`: how fresh what is shown is, and why it is not fresher.
 */
import { h, setText } from './dom.js';
import { duration } from './format.js';

/** A reading that is late by a heartbeat of the page is no news; one that is later is. */
const LATE_MS = 5_000;

export class ReadingStatus extends HTMLElement {
  #text = h('span', { class: 'reading-text' });
  #age = h('span', { class: 'number' });
  // The age runs; only a change of the sentence before it is worth saying aloud.
  #spoken = h('span', { class: 'unseen', role: 'status' });

  connectedCallback() {
    if (this.firstChild) return;
    const dot = h('span', { class: 'badge-dot', 'aria-hidden': 'true' });
    this.append(dot, h('span', { class: 'reading' }, this.#text, this.#age), this.#spoken);
  }

  /**
   * @param {object} reading
   * @param {boolean} reading.connected
   * @param {number | null} reading.at ms; null before the first
   * @param {string} reading.problem
   * @param {number} now ms
   */
  show({ connected, at, problem }, now) {
    const age = at === null ? 0 : now - at;
    const late = !connected || problem !== '' || age > LATE_MS;
    this.dataset.tone = !connected || problem ? 'warn' : 'good';
    let text = 'Up to date';
    if (!connected) text = 'Not connected.';
    else if (problem) text = problem;
    else if (at === null) text = 'Loading…';
    else if (late) text = 'Waiting for the hub.';
    setText(this.#text, text);
    const ago = age < 2_000 ? 'a moment' : duration(age / 1000);
    setText(this.#age, at !== null && late ? `Shown as of ${ago} ago.` : '');
    setText(this.#spoken, text);
  }
}

customElements.define('reading-status', ReadingStatus);

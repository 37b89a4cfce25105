/**
 * `<connection-badge>`: how the page is connected, how far it has read, and “try now”.
 * Fires `retry`.
 */
import { grouped } from './format.js';
import { h, setText } from './dom.js';

/** @type {Record<string, string>} */
const LABELS = {
  idle: 'Signed out',
  connecting: 'Connecting…',
  'catching-up': 'Catching up',
  live: 'Live',
  waiting: 'Reconnecting',
  stopped: 'Refused',
};

export class ConnectionBadge extends HTMLElement {
  #label = h('span', { class: 'badge-label' });
  #detail = h('span', { class: 'badge-detail number' });
  #retry = h('button', { class: 'badge-retry', type: 'button', onclick: () => this.#fire() });
  // Countdown and offset change all the time; only a change of state is worth saying aloud.
  #spoken = h('span', { class: 'unseen', role: 'status' });
  #state = '';

  connectedCallback() {
    if (this.firstChild) return;
    const dot = h('span', { class: 'badge-dot', 'aria-hidden': 'true' });
    this.append(dot, this.#label, this.#detail, this.#retry, this.#spoken);
  }

  /**
   * @param {import('../state/connection.js').ConnectionState} connection
   * @param {{ offset: number | null, end: number | null, now: number }} position
   */
  show({ state, first, retryAt, message }, { offset, end, now }) {
    this.dataset.state = state;
    this.title = message;
    setText(this.#label, state === 'connecting' && !first ? 'Reconnecting…' : LABELS[state]);
    setText(this.#detail, detail(state, { retryAt, message, offset, end, now }));
    this.#retry.hidden = state !== 'waiting' && state !== 'stopped';
    setText(this.#retry, state === 'stopped' ? 'Try again' : 'Try now');
    if (state === this.#state) return;
    this.#state = state;
    setText(this.#spoken, `${LABELS[state]}. ${message}`);
  }

  #fire() {
    this.dispatchEvent(new CustomEvent('retry'));
  }
}

function detail(state, { retryAt, message, offset, end, now }) {
  const read = offset === null ? '' : `#${grouped(offset)}`;
  if (state === 'waiting') return `in ${Math.max(0, Math.ceil((retryAt - now) / 1000))} s`;
  if (state === 'stopped') return message;
  if (state === 'catching-up' && end !== null && offset !== null && offset < end) {
    return `${read} of #${grouped(end)}`;
  }
  return read;
}

customElements.define('connection-badge', ConnectionBadge);

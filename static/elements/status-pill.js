/**
 * `<status-pill>`: the state of a row in a word, with a colour that says the same.
 */
import { setText } from './dom.js';

/** What colour a word has; a word that is not here has none of its own. */
const TONES = {
  good: ['active', 'ready', 'delivered', 'paid', 'read', 'success', 'completed', 'in stock'],
  busy: ['confirmed', 'preparing', 'processing', 'uploading', 'dispatched', 'accepted', 'arrived'],
  warn: ['pending', 'partial', 'unpaid', 'draft', 'queued', 'low stock'],
  bad: ['failed', 'dead', 'out of stock', 'disabled'],
  quiet: ['cancelled', 'archived', 'inactive', 'refunded', 'hidden'],
};
TONES.busy.push('in_transit', 'sent', 'running', 'new');
TONES.good.push('succeeded', 'working');
TONES.warn.push('scheduled', 'retrying', 'failing');
const TONE_OF = new Map(
  Object.entries(TONES).flatMap(([tone, words]) => words.map((word) => [word, tone])),
);

export class StatusPill extends HTMLElement {
  /** @param {string} status @param {string} [text] what it says; the status itself */
  show(status, text = status.replaceAll('_', ' ')) {
    this.dataset.tone = TONE_OF.get(status) ?? 'quiet';
    setText(this, text);
  }
}

customElements.define('status-pill', StatusPill);

/** @param {string} status @param {string} [text] @returns {StatusPill} */
export function statusPill(status, text) {
  const pill = /** @type {StatusPill} */ (document.createElement('status-pill'));
  pill.show(status, text);
  return pill;
}

/**
 * One row of the event list. Rows are used again for other events, so the parts are made once.
 */
import { h, setText } from './dom.js';
import { grouped, rowTime } from './format.js';
import { familyOf, gapText, summaryOf } from './summary.js';

export class EventRow {
  #parts = {
    offset: h('span', { class: 'cell-offset number' }),
    time: h('span', { class: 'cell-time number' }),
    type: h('span', { class: 'cell-type' }),
    merchant: h('span', { class: 'cell-merchant' }),
    subject: h('span', { class: 'cell-subject' }),
    summary: h('span', { class: 'cell-summary' }),
    source: h('span', { class: 'cell-source' }),
  };
  element = h('div', { class: 'row', role: 'option' }, ...Object.values(this.#parts));
  /** @type {import('../state/event-log.js').Entry | null} */
  entry = null;
  #y = -1;

  /**
   * @param {import('../state/event-log.js').Entry} entry
   * @param {(id: string) => string} merchantName
   */
  fill(entry, merchantName) {
    this.entry = entry;
    const { kind, frame } = entry;
    const parts = this.#parts;
    this.element.id = `event-${entry.seq}`;
    this.element.dataset.kind = kind;
    this.element.dataset.family = kind === 'event' ? familyOf(frame.type) : 'system';
    if (kind === 'gap') {
      for (const part of Object.values(parts)) part.textContent = '';
      setText(parts.summary, gapText(frame));
      return;
    }
    setText(parts.offset, frame.volatile ? 'not stored' : `#${grouped(frame.offset)}`);
    setText(parts.time, rowTime(frame.timestamp));
    setText(parts.type, frame.type);
    setText(parts.merchant, merchantName(frame.merchant_id));
    setText(parts.subject, frame.subject ?? '');
    setText(parts.summary, summaryOf(frame));
    setText(parts.source, frame.source ?? '');
  }

  /**
   * @param {number} y
   * @param {boolean} selected
   */
  place(y, selected) {
    this.element.setAttribute('aria-selected', String(selected));
    if (y === this.#y) return;
    this.#y = y;
    this.element.style.transform = `translateY(${y}px)`;
  }
}

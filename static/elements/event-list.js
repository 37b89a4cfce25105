/**
 * `<event-list>`: a virtual list, newest on top. However long the log is, only the rows on the
 * screen exist, all of one height, so a frame costs the same with 50 and with 5,000 events.
 *
 * Fires `choose` (detail: the entry), `open` (Enter) and `read` (detail: whether the person has
 * scrolled away from the top).
 */
import { h } from './dom.js';
import { EventRow } from './event-row.js';

const ROW_HEIGHT = { wide: 32, medium: 32, narrow: 54 };
const OVERSCAN = 4;
/** More new rows than this in one frame is a flood: lighting each up would be a flicker. */
const MAX_FRESH = 3;

const COLUMNS = ['Offset', 'Time', 'Type', 'Merchant', 'Subject', 'Summary', 'Source'];

export class EventList extends HTMLElement {
  /** @type {(id: string) => string} */
  merchantName = (id) => id;
  #space = h('div', { class: 'list-space', role: 'presentation' });
  #scroller = h(
    'div',
    {
      class: 'list-scroller',
      role: 'listbox',
      tabindex: '0',
      'aria-label': 'Events, newest first',
    },
    this.#space,
  );
  /** @type {Map<number, EventRow>} the rows on the screen by sequence number */
  #rows = new Map();
  /** @type {EventRow[]} */
  #spare = [];
  /** @type {import('../state/event-log.js').LogView} */
  #view = { size: 0, total: 0, newest: () => undefined };
  #selected = -1;
  #drawn = 0;
  #height = 0;
  #pressed = null;
  #observer = new ResizeObserver(() => this.#measure());

  connectedCallback() {
    if (!this.firstChild) this.#build();
    this.#observer.observe(this.#scroller);
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  #build() {
    const titles = COLUMNS.map((title) => {
      return h('span', { class: `cell-${title.toLowerCase()}`, text: title });
    });
    this.append(h('div', { class: 'list-head', 'aria-hidden': 'true' }, ...titles), this.#scroller);
    const scroller = this.#scroller;
    scroller.addEventListener('scroll', () => {
      this.dispatchEvent(new CustomEvent('read', { detail: scroller.scrollTop > 4 }));
      this.#draw();
    });
    scroller.addEventListener('keydown', (event) => this.#key(event));
    // Rows move while a finger is down: what was under it then is what was meant.
    scroller.addEventListener('pointerdown', (event) => {
      this.#pressed = this.#entryOf(event.target);
    });
    scroller.addEventListener('click', (event) => {
      this.#choose(this.#pressed ?? this.#entryOf(event.target));
      this.#pressed = null;
    });
  }

  /** @returns {number} how many rows fit on the screen */
  get #page() {
    return Math.max(1, Math.floor(this.#height / this.#rowHeight));
  }

  get #rowHeight() {
    return ROW_HEIGHT[this.dataset.size ?? 'wide'];
  }

  /**
   * @param {import('../state/event-log.js').LogView} view
   * @param {number} selected the sequence number of the entry that is inspected, or -1
   */
  show(view, selected) {
    this.#view = view;
    this.#selected = selected;
    this.#draw();
  }

  /** Fills every row again: merchants are called differently now. */
  rename() {
    for (const row of this.#rows.values()) row.fill(row.entry, this.merchantName);
  }

  toTop() {
    this.#scroller.scrollTop = 0;
  }

  focus() {
    this.#scroller.focus();
  }

  /**
   * Selects the neighbour of the selected entry.
   * @param {number} step positive is older
   */
  move(step) {
    const { size, total } = this.#view;
    if (size === 0) return;
    const current = total - 1 - this.#selected;
    const known = this.#selected >= 0 && current < size;
    const index = known ? Math.min(Math.max(current + step, 0), size - 1) : 0;
    this.#choose(this.#view.newest(index));
    this.#reveal(index);
  }

  #measure() {
    const width = this.#scroller.clientWidth;
    this.#height = this.#scroller.clientHeight;
    this.dataset.size = width < 640 ? 'narrow' : width < 960 ? 'medium' : 'wide';
    this.#draw();
  }

  #draw() {
    const { size } = this.#view;
    const rowHeight = this.#rowHeight;
    this.#space.style.height = `${size * rowHeight}px`;
    const top = this.#scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
    const last = Math.min(size, Math.ceil((top + this.#height) / rowHeight) + OVERSCAN);
    const entries = [];
    for (let index = first; index < last; index += 1) entries.push(this.#view.newest(index));

    const visible = new Set(entries.map(({ seq }) => seq));
    for (const [seq, row] of this.#rows) if (!visible.has(seq)) this.#release(seq, row);
    const fresh = this.#fresh();
    let place = this.#space.firstChild;
    entries.forEach((entry, position) => {
      const row = this.#rows.get(entry.seq) ?? this.#take(entry, entry.seq >= fresh);
      row.place((first + position) * rowHeight, entry.seq === this.#selected);
      // The order of the elements is the order that is read aloud.
      if (row.element === place) place = place.nextSibling;
      else this.#space.insertBefore(row.element, place);
    });
    if (visible.has(this.#selected)) {
      this.#scroller.setAttribute('aria-activedescendant', `event-${this.#selected}`);
    } else {
      this.#scroller.removeAttribute('aria-activedescendant');
    }
  }

  /** The sequence number from which on rows have only just arrived. */
  #fresh() {
    const { total } = this.#view;
    const arrived = total - this.#drawn;
    const few = this.#drawn > 0 && arrived <= MAX_FRESH;
    this.#drawn = total;
    return few ? total - arrived : Infinity;
  }

  #take(entry, fresh) {
    const row = this.#spare.pop() ?? new EventRow();
    row.fill(entry, this.merchantName);
    row.element.classList.toggle('fresh', fresh);
    this.#rows.set(entry.seq, row);
    return row;
  }

  #release(seq, row) {
    this.#rows.delete(seq);
    row.element.remove();
    this.#spare.push(row);
  }

  #entryOf(target) {
    const element = target.closest('.row');
    for (const row of this.#rows.values()) if (row.element === element) return row.entry;
    return null;
  }

  #choose(entry) {
    if (!entry) return;
    // At once: a key that repeats is faster than the frames, and each stroke goes on from here.
    this.#selected = entry.seq;
    this.dispatchEvent(new CustomEvent('choose', { detail: entry }));
  }

  #reveal(index) {
    const rowHeight = this.#rowHeight;
    const top = index * rowHeight;
    const scroller = this.#scroller;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + rowHeight > scroller.scrollTop + this.#height) {
      scroller.scrollTop = top + rowHeight - this.#height;
    }
  }

  #key(event) {
    const steps = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: this.#page,
      PageUp: -this.#page,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === 'Enter') this.dispatchEvent(new CustomEvent('open'));
    else return;
    event.preventDefault();
  }
}

customElements.define('event-list', EventList);

/**
 * `<audit-list>`: changes, newest first. Each row opens to what differs.
 *
 * Fires `read` when it may have to stand still, or need not any more (see `held`), and `only`
 * (detail: fields of the filter) when somebody wants nothing but rows of one actor or target.
 */
import { AuditRowView } from './audit-row.js';
import { h } from './dom.js';
import { Keyed } from './keyed.js';

/** @type {Record<string, (at: number, last: number) => number>} */
const STEPS = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_at, last) => last,
};

export class AuditList extends HTMLElement {
  // A list without bullets is none to Safari unless it says so.
  #body = h('ul', { class: 'audit-rows', role: 'list', 'aria-label': 'Changes, newest first' });
  /** @type {Map<string, AuditRowView>} */
  #views = new Map();
  /** @type {Map<string, import('../state/audit.js').AuditRow>} */
  #rows = new Map();
  #list = new Keyed(this.#body, (id) => this.#made(id));

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#body);
    this.#body.addEventListener('click', ({ target }) => this.#click(target));
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    this.#body.addEventListener('focusin', () => this.#fire('read'));
    this.#body.addEventListener('focusout', () => queueMicrotask(() => this.#fire('read')));
  }

  /** Whether somebody is among the rows, or reads an open one: then none may move. */
  get held() {
    if (this.#body.contains(document.activeElement)) return true;
    return [...this.#views.values()].some(({ opened }) => opened);
  }

  /**
   * @param {{ row: import('../state/audit.js').AuditRow, merchant: string }[]} rows
   */
  show(rows) {
    this.#rows = new Map(rows.map(({ row }) => [row.id, row]));
    this.#list.show(rows.map(({ row, merchant }) => [row.id, merchant]));
    for (const id of this.#views.keys()) if (!this.#rows.has(id)) this.#views.delete(id);
  }

  /** Closes every row. */
  close() {
    for (const view of this.#views.values()) view.open(false);
  }

  /** Puts the keyboard on the newest row. */
  focus() {
    this.#body.querySelector('.audit-line')?.focus({ preventScroll: true });
  }

  #made(id) {
    const view = new AuditRowView(this.#rows.get(id));
    this.#views.set(id, view);
    return view;
  }

  #click(target) {
    const only = target.closest('[data-only]');
    if (only) return this.#fire('only', JSON.parse(only.dataset.only));
    const line = target.closest('.audit-line');
    if (!line) return;
    const view = this.#views.get(line.closest('.audit-row').dataset.audit);
    view.open(!view.opened);
    this.#fire('read');
  }

  #key(event) {
    const step = STEPS[event.key];
    if (!step || !event.target.matches('.audit-line')) return;
    const lines = [...this.#body.querySelectorAll('.audit-line')];
    lines[step(lines.indexOf(event.target), lines.length - 1)].focus();
    event.preventDefault();
  }

  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define('audit-list', AuditList);

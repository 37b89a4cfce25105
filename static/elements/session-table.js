/**
 * `<session-table>`: who is connected, one row each. The rows are one stop of the Tab key: arrows,
 * Home and End move among them, Enter and Delete ask to disconnect.
 *
 * Fires `disconnect` (detail: the session), and `release` when the last row has lost the focus.
 */
import { h } from './dom.js';
import { Keyed } from './keyed.js';
import { SessionRow } from './session-row.js';

const COLUMNS = {
  who: 'Who',
  merchant: 'Merchant',
  since: 'Connected',
  door: 'Door',
  filter: 'Listens to',
  state: 'Position',
  traffic: 'Traffic',
  action: '',
};

/** @type {Record<string, (at: number, last: number) => number>} */
const STEPS = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_at, last) => last,
};

export class SessionTable extends HTMLElement {
  #body = h('div', { class: 'session-rows', role: 'rowgroup' });
  /** @type {Map<string, SessionRow>} */
  #rows = new Map();
  #list = new Keyed(this.#body, (id) => this.#made(id));
  /** The row that the Tab key stops at. @type {string} */
  #current = '';
  /** Whether somebody was there: then the key leads back to it, and else to the first row. */
  #visited = false;

  connectedCallback() {
    if (this.firstChild) return;
    const titles = Object.entries(COLUMNS).map(([name, title]) => {
      return h(
        'span',
        { class: `cell-${name}`, role: 'columnheader' },
        title || h('span', { class: 'unseen', text: 'Action' }),
      );
    });
    this.setAttribute('role', 'grid');
    this.setAttribute('aria-label', 'Connections');
    this.append(
      h('div', { class: 'session-head', role: 'rowgroup' }, h('div', { role: 'row' }, ...titles)),
      this.#body,
    );
    this.#body.addEventListener('focusin', ({ target }) => {
      this.#visited = true;
      this.#stopAt(idOf(target));
    });
    this.#body.addEventListener('focusout', ({ relatedTarget }) => {
      if (!this.#body.contains(relatedTarget)) this.dispatchEvent(new CustomEvent('release'));
    });
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    this.#body.addEventListener('click', ({ target }) => {
      if (target.closest('button')) this.#ask(idOf(target));
    });
  }

  /** Whether somebody is among the rows: then none may move. */
  get held() {
    return this.#body.contains(document.activeElement);
  }

  /**
   * @param {(import('../state/sessions.js').Row & { own: boolean, merchant: string })[]} rows
   */
  show(rows) {
    this.#list.show(rows.map((row) => [row.session.id, row]));
    const ids = new Set(rows.map(({ session }) => session.id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#rows.delete(id);
    if (!ids.has(this.#current)) this.#visited = false;
    if (!this.#visited) this.#stopAt(rows[0]?.session.id ?? '');
  }

  #made(id) {
    const row = new SessionRow(id);
    this.#rows.set(id, row);
    return row;
  }

  #stopAt(id) {
    if (id === this.#current) return;
    this.#tabStop(this.#current, '-1');
    this.#current = id;
    this.#tabStop(id, '0');
  }

  #tabStop(id, index) {
    const row = this.#rows.get(id);
    row?.element.setAttribute('tabindex', index);
    row?.button.setAttribute('tabindex', index);
  }

  #key(event) {
    const step = STEPS[event.key];
    const onRow = event.target.matches('.session');
    if (step) {
      const elements = [...this.#body.children];
      const at = elements.indexOf(event.target.closest('.session'));
      elements[step(at, elements.length - 1)].focus();
    } else if (onRow && (event.key === 'Enter' || event.key === 'Delete')) {
      this.#ask(idOf(event.target));
    } else return;
    event.preventDefault();
  }

  #ask(id) {
    const { session, ended, button } = this.#rows.get(id);
    if (ended || button.hidden) return;
    this.dispatchEvent(new CustomEvent('disconnect', { detail: session }));
  }
}

/** @param {Element} element within a row */
function idOf(element) {
  return element.closest('.session').dataset.session;
}

customElements.define('session-table', SessionTable);

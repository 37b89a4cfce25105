/**
 * `<order-board>`: orders in columns by status.
 *
 * By keyboard: the arrows go from card to card, Enter opens one. Space lifts it; then left and right
 * choose among the columns that it may go to, Space puts it there, Escape puts it back. Each step is
 * said aloud. By pointer: a card is dragged.
 *
 * Where there is room for one column only, the status is chosen above it, and each card has a button
 * for its next step.
 *
 * Fires `open` (detail: the order's id), `move` (detail: id, to), `more` (detail: the status) and
 * `choose` (detail: the status of the one column).
 */
import { FOLLOWING, nextTarget, orderName, STATUSES, statusName } from '../state/orders.js';
import { draggable } from './card-drag.js';
import { h, setText } from './dom.js';
import { orderCard } from './order-card.js';

const KEYS_ID = 'order-board-keys';
const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };

export class OrderBoard extends HTMLElement {
  /** @type {Map<string, ReturnType<typeof orderCard>>} */
  #cards = new Map();
  /** @type {Map<string, import('../state/orders.js').Order>} */
  #orders = new Map();
  /** @type {Map<string, ReturnType<typeof column>>} */
  #columns = new Map();
  #chooser = h('div', { class: 'board-chooser', role: 'group', 'aria-label': 'Status' });
  #board = h('div', { class: 'board-columns' });
  #spoken = h('p', { class: 'unseen', role: 'status', 'aria-live': 'assertive' });
  /** The card that the keyboard comes back to. */
  #current = '';
  /** @type {null | { id: string, from: string, over: string }} */
  #lifted = null;
  #movable = false;
  #drawn = false;
  #placing = false;
  /** @type {ReturnType<typeof draggable> | null} */
  #drag = null;
  /** During a drag the keyboard may be anywhere. */
  #escape = ({ key }) => {
    if (key === 'Escape' && this.#drag.holding) this.#drag.cancel();
  };

  connectedCallback() {
    document.addEventListener('keydown', this.#escape);
    if (this.firstChild) return;
    for (const status of STATUSES) {
      const made = column(status, {
        more: () => this.#fire('more', status),
        choose: () => this.#fire('choose', status),
      });
      this.#columns.set(status, made);
      this.#chooser.append(made.choice);
      this.#board.append(made.element);
    }
    const keys = h('p', {
      class: 'unseen',
      id: KEYS_ID,
      text:
        'Enter opens the order. Space lifts it; then left and right choose a column, Space puts ' +
        'it there, Escape puts it back.',
    });
    this.append(this.#chooser, this.#board, keys, this.#spoken);
    this.addEventListener('keydown', (event) => this.#key(event));
    this.addEventListener('click', (event) => this.#click(event));
    this.addEventListener('focusin', ({ target }) => this.#focused(target));
    this.addEventListener('focusout', ({ relatedTarget }) => {
      // A card that is put in its place loses the focus for a moment; nobody has gone away.
      if (this.#placing || !this.#lifted || this.#drag.holding) return;
      if (!this.contains(relatedTarget)) this.#putBack();
    });
    this.#drag = draggable(this.#board, {
      lift: (id) => this.#lift(id, false),
      over: (place) => this.#over(place),
      drop: (id, place) => this.#dropped(id, place),
    });
  }

  disconnectedCallback() {
    document.removeEventListener('keydown', this.#escape);
  }

  /**
   * @param {import('../state/orders.js').Column[]} columns
   * @param {object} how
   * @param {boolean} how.movable whether the person may move orders
   * @param {string} how.status the one column, where there is room for one
   * @param {string} how.opened the id of the order whose details are shown
   * @param {(id: string) => string} how.merchantName empty where only one is shown
   * @param {number} how.now ms
   */
  show(columns, { movable, status: chosen, opened, merchantName, now }) {
    const focused = document.activeElement;
    this.#placing = true;
    this.#movable = movable;
    this.#orders = new Map(columns.flatMap(({ orders }) => orders).map((each) => [each.id, each]));
    for (const { status, orders, more, loading } of columns) {
      const { element, list, show } = this.#columns.get(status);
      element.classList.toggle('chosen', status === chosen);
      show({ count: orders.length, more, loading, chosen: status === chosen });
      orders.forEach((order, index) => {
        const card = this.#card(order.id);
        card.show(order, { movable, merchant: merchantName(order.merchant_id), now });
        card.element.classList.toggle('opened', order.id === opened);
        const there = list.children[index];
        if (there === card.element) return;
        if (this.#drawn && card.element.parentElement !== list) arrive(card.element);
        list.insertBefore(card.element, there ?? null);
      });
    }
    for (const [id, { element }] of this.#cards) {
      if (this.#orders.has(id)) continue;
      element.remove();
      this.#cards.delete(id);
    }
    this.#drawn = columns.length > 0;
    this.#settle(focused);
  }

  /** @param {string} text */
  say(text) {
    setText(this.#spoken, text);
  }

  #card(id) {
    if (!this.#cards.has(id)) this.#cards.set(id, orderCard(id, this.#movable ? KEYS_ID : ''));
    return this.#cards.get(id);
  }

  /** After the cards stand where they belong: so do the keyboard, and what is lifted. */
  #settle(focused) {
    // An element that is moved to another column loses the focus.
    if (focused !== document.activeElement && this.contains(focused)) {
      // Where one column is shown, the card may have gone to one that is not.
      if (focused.checkVisibility()) focused.focus();
      else this.#chooser.querySelector('[aria-pressed="true"]').focus();
    }
    this.#placing = false;
    const order = this.#lifted && this.#orders.get(this.#lifted.id);
    if (this.#lifted && order?.status !== this.#lifted.from) {
      this.#drag.cancel();
      if (this.#lifted) this.#unlift();
      this.say('The order was moved by somebody else meanwhile.');
    }
    if (!this.#orders.has(this.#current)) this.#current = '';
    const stop = this.#current || [...this.#board.querySelectorAll('.card-item')][0]?.dataset.id;
    for (const [id, { main }] of this.#cards) main.tabIndex = id === stop ? 0 : -1;
  }

  // ── by keyboard ───────────────────────────────────────────────────────────────────────────

  #key(event) {
    const card = event.target.closest('.card-main')?.closest('.card-item');
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.#handles(event.key, card.dataset.id)) event.preventDefault();
  }

  /** @returns {boolean} whether the key meant something here */
  #handles(key, id) {
    if (key === ' ') {
      if (!this.#lifted) this.#lift(id, true);
      else this.#dropped(id, this.#lifted.over);
      return true;
    }
    if (this.#lifted) {
      if (key === 'Escape') this.#putBack();
      else if (key in ARROWS) this.#carry(ARROWS[key]);
      else return key !== 'Tab';
      return true;
    }
    if (key in ARROWS) return this.#across(id, ARROWS[key]);
    if (key === 'ArrowUp' || key === 'ArrowDown') return this.#along(id, key === 'ArrowUp' ? -1 : 1);
    return false;
  }

  #along(id, step) {
    const cards = [...this.#cards.get(id).element.parentElement.children];
    const at = cards.indexOf(this.#cards.get(id).element);
    this.#go(/** @type {HTMLElement | undefined} */ (cards[at + step]));
    return true;
  }

  #across(id, step) {
    const columns = [...this.#columns.values()].filter(({ element }) => element.checkVisibility());
    const own = this.#cards.get(id).element;
    const at = columns.findIndex(({ list }) => list === own.parentElement);
    const row = [...own.parentElement.children].indexOf(own);
    for (let next = at + step; next in columns; next += step) {
      const { children } = columns[next].list;
      if (children.length === 0) continue;
      this.#go(children[Math.min(row, children.length - 1)]);
      break;
    }
    return true;
  }

  #go(item) {
    if (!item) return;
    const { main } = this.#cards.get(item.dataset.id);
    main.focus();
    main.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  #focused(target) {
    const id = target.closest('.card-item')?.dataset.id;
    if (!id || id === this.#current) return;
    this.#current = id;
    for (const [each, { main }] of this.#cards) main.tabIndex = each === id ? 0 : -1;
  }

  // ── lifting ───────────────────────────────────────────────────────────────────────────────

  /** @returns {boolean} whether it is in the hand */
  #lift(id, aloud) {
    const order = this.#orders.get(id);
    if (!order || !this.#movable) return false;
    const { status } = order;
    const targets = FOLLOWING[status];
    if (targets.length === 0) {
      if (aloud) this.say(`${orderName(order)} is ${status}; that is its end.`);
      return false;
    }
    this.#lifted = { id, from: status, over: status };
    this.classList.add('lifting');
    this.#cards.get(id).element.classList.add('taken');
    for (const [each, { element }] of this.#columns) {
      element.classList.toggle('legal', targets.includes(each));
    }
    if (aloud) {
      const names = targets.map(statusName).join(' or ');
      this.say(`Lifted ${orderName(order)} from ${statusName(status)}. It may go to ${names}.`);
    }
    return true;
  }

  #carry(direction) {
    const { from, over } = this.#lifted;
    const target = nextTarget(from, over, direction);
    this.#over(target);
    this.#columns.get(target).element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.say(target === from ? `${statusName(from)}, where it was.` : `Over ${statusName(target)}.`);
  }

  #over(place) {
    const { from } = this.#lifted;
    this.#lifted.over = FOLLOWING[from].includes(place) ? place : from;
    for (const [each, { element }] of this.#columns) {
      element.classList.toggle('target', each === this.#lifted.over && each !== from);
    }
  }

  #dropped(id, place) {
    if (!this.#lifted) return;
    const { from } = this.#lifted;
    const legal = place !== null && FOLLOWING[from].includes(place);
    this.#unlift();
    if (legal) this.#fire('move', { id, to: place });
    else this.#sayBack(id, from);
  }

  #putBack() {
    const { id, from } = this.#lifted;
    this.#unlift();
    this.#sayBack(id, from);
  }

  #sayBack(id, status) {
    this.say(`${orderName({ id })} is back in ${statusName(status)}.`);
  }

  #unlift() {
    this.#cards.get(this.#lifted.id)?.element.classList.remove('taken');
    this.#lifted = null;
    this.classList.remove('lifting');
    for (const { element } of this.#columns.values()) element.classList.remove('legal', 'target');
  }

  #click(event) {
    const id = event.target.closest('.card-item')?.dataset.id;
    if (!id) return;
    const step = event.target.closest('.card-step');
    if (step) this.#fire('move', { id, to: step.dataset.to });
    else if (event.target.closest('.card-main')) this.#fire('open', id);
  }

  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Shows for a moment what has just come. */
function arrive(element) {
  element.classList.add('fresh');
  element.addEventListener('animationend', () => element.classList.remove('fresh'), { once: true });
}

function column(status, { more: onmore, choose }) {
  const id = `column-${status}`;
  const number = h('span', { class: 'column-count number' });
  const list = h('ul', { class: 'column-cards', role: 'list', 'aria-labelledby': id });
  const more = h('button', { type: 'button', class: 'button small column-more', onclick: onmore });
  const none = h('p', { class: 'column-none', text: 'No orders' });
  const element = h(
    'section',
    { class: 'column', 'aria-labelledby': id },
    h('h2', { class: 'column-name', id }, statusName(status), number),
    h('div', { class: 'column-scroll' }, list, none, more),
  );
  element.dataset.place = status;
  const there = h('span', { class: 'number' });
  const choice = h(
    'button',
    { type: 'button', class: 'board-choice', 'aria-pressed': 'false', onclick: choose },
    h('span', { text: statusName(status) }),
    there,
  );
  return {
    element,
    list,
    choice,
    show({ count, more: older, loading, chosen }) {
      const text = older ? `${count}+` : String(count);
      setText(number, text);
      setText(there, text);
      choice.setAttribute('aria-pressed', String(chosen));
      none.hidden = count > 0;
      more.hidden = !older;
      setText(more, loading ? 'Loading…' : 'Show more');
    },
  };
}

customElements.define('order-board', OrderBoard);

/**
 * `<product-list>`: products in lines, each a button that opens one.
 *
 * Fires `open` (detail: the product's id).
 */
import { stockState } from '../state/products.js';
import { h, setText } from './dom.js';
import { compact, fullTime, relativeTime } from './format.js';
import { Keyed } from './keyed.js';
import { money } from './money.js';
import './status-pill.js';

const HEAD = ['Product', 'Category', 'Price', 'Stock', 'State', 'Changed'];

export class ProductList extends HTMLElement {
  #rows = h('ul', { class: 'product-rows', role: 'list', 'aria-label': 'Products' });
  #list = new Keyed(this.#rows, (id) => productRow(() => this.#open(id)));

  connectedCallback() {
    if (this.firstChild) return;
    const head = h(
      'div',
      { class: 'product-head', 'aria-hidden': 'true' },
      ...HEAD.map((text) => h('span', { text })),
    );
    this.append(head, this.#rows);
  }

  /**
   * @param {import('../state/products.js').Product[]} products
   * @param {object} how
   * @param {string} how.opened the id of the one whose details are shown
   * @param {(id: string) => string} how.merchantName empty where only one is shown
   * @param {number} how.now ms
   */
  show(products, { opened, merchantName, now }) {
    this.#list.show(
      products.map((product) => [
        product.id,
        { product, opened: product.id === opened, now, merchant: merchantName(product.merchant_id) },
      ]),
    );
  }

  #open(id) {
    this.dispatchEvent(new CustomEvent('open', { detail: id }));
  }
}

function productRow(onclick) {
  const name = h('span', { class: 'product-name' });
  const second = h('span', { class: 'second' });
  const category = h('span', { class: 'product-category' });
  const price = h('span', { class: 'product-price number' });
  const number = h('span', { class: 'number' });
  const level = h('status-pill');
  const state = h('status-pill');
  const time = h('time', { class: 'product-time' });
  const main = h(
    'button',
    { type: 'button', class: 'product-main', onclick },
    h('span', { class: 'product-what' }, name, second),
    category,
    price,
    h('span', { class: 'product-stock' }, number, level),
    h('span', { class: 'product-state' }, state),
    time,
  );
  const element = h('li', { class: 'product-row' }, main);
  return {
    element,
    show({ product, opened, merchant, now }) {
      const stock = stockState(product);
      element.classList.toggle('opened', opened);
      setText(name, product.name);
      setText(second, [merchant, product.description].filter(Boolean).join(' · '));
      setText(category, product.category ?? '');
      setText(price, money(product.price, product.currency));
      setText(number, compact(product.stock));
      number.setAttribute('aria-label', `${product.stock} in stock`);
      level.show(stock, stock === 'low stock' ? 'low' : 'none left');
      level.hidden = stock === 'in stock';
      state.show(product.is_active ? 'active' : 'inactive');
      setText(time, relativeTime(product.updated_at, now));
      time.dateTime = product.updated_at;
      time.title = fullTime(product.updated_at);
    },
  };
}

customElements.define('product-list', ProductList);

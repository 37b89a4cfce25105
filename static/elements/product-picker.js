/**
 * Picks products and quantities: a search, what it finds, and the lines that were chosen.
 *
 * What is wrong with a line is shown at it, by the pointers `/items/N/…`.
 */
import { h, icon, setText } from './dom.js';
import { grouped } from './format.js';
import { Keyed } from './keyed.js';
import { money } from './money.js';
import { searchBox } from './toolbar.js';
import { sentence } from './fields.js';

/** More would not be read; the search finds the rest. */
const FOUND = 6;

/**
 * @param {object} options
 * @param {(text: string) => void} options.find what is searched for has changed
 * @param {() => void} options.changed the lines have changed
 */
export function productPicker({ find, changed }) {
  /** @type {ReturnType<typeof line>[]} */
  let lines = [];
  const search = searchBox({ label: 'Find products', find });
  const found = h('ul', { class: 'picker-found', role: 'list', 'aria-label': 'Products' });
  const offers = new Keyed(found, () => offer(add));
  const none = h('p', { class: 'muted picker-none', hidden: true });
  const chosen = h('ul', { class: 'picker-lines', role: 'list', 'aria-label': 'Chosen products' });
  const total = h('strong', { class: 'number' });
  const sum = h('p', { class: 'picker-total', hidden: true }, h('span', { text: 'Total' }), total);
  const problem = h('p', { class: 'field-problem', role: 'alert', hidden: true });
  const element = h(
    'fieldset',
    { class: 'picker wide' },
    h('legend', { class: 'field-label', text: 'Products' }),
    search.element,
    found,
    none,
    chosen,
    sum,
    problem,
  );

  // Enter takes what is found first; it is not the order that is done.
  search.element.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    /** @type {HTMLElement | null} */ (found.querySelector('button:enabled'))?.click();
  });

  function add(product) {
    const known = lines.find(({ id }) => id === product.id);
    if (known) known.more();
    else {
      const added = line(product, {
        changed: total_,
        remove: () => {
          lines = lines.filter((each) => each !== added);
          added.element.remove();
          search.element.querySelector('input').focus();
          total_();
        },
      });
      lines.push(added);
      chosen.append(added.element);
    }
    complain('');
    total_();
  }

  function total_() {
    const currency = lines[0]?.product.currency;
    const known = lines.every(({ product }) => product.currency === currency);
    const amount = lines.reduce((all, { product, quantity }) => all + product.price * quantity, 0);
    sum.hidden = lines.length === 0 || !known;
    setText(total, known && currency ? money(amount, currency) : '');
    changed();
  }

  function complain(message) {
    setText(problem, message && sentence(message));
    problem.hidden = message === '';
  }

  return {
    element,
    complain,
    /** @returns {{ product_id: string, quantity: number }[]} */
    get items() {
      return lines.map(({ id, quantity }) => ({ product_id: id, quantity }));
    },
    /** The fields of the lines, as a form shows what is wrong with them. */
    get fields() {
      return lines.map(({ control, complain: say }, index) => ({
        element,
        control,
        pointer: `/items/${index}`,
        complain: say,
      }));
    },
    /**
     * @param {any[]} all what may be chosen from
     * @param {string} text why there is nothing, if there is nothing
     */
    offer(all, text) {
      offers.show(all.slice(0, FOUND).map((product) => [product.id, product]));
      found.hidden = all.length === 0;
      none.hidden = all.length > 0;
      setText(none, text);
    },
    clear() {
      lines = [];
      chosen.replaceChildren();
      search.element.querySelector('input').value = '';
      complain('');
      total_();
    },
  };
}

function offer(add) {
  let offered;
  const name = h('span', { class: 'picker-name' });
  const price = h('span', { class: 'number' });
  const left = h('span', { class: 'muted number' });
  const button = h(
    'button',
    { type: 'button', class: 'picker-offer', onclick: () => add(offered) },
    icon('plus'),
    name,
    price,
    left,
  );
  return {
    element: h('li', {}, button),
    show(product) {
      offered = product;
      setText(name, product.name);
      setText(price, money(product.price, product.currency));
      setText(left, product.stock > 0 ? `${grouped(product.stock)} left` : 'None left');
      button.disabled = product.stock === 0;
    },
  };
}

function line(product, { changed, remove }) {
  const { id, name, price, currency, stock } = product;
  const sum = h('span', { class: 'number picker-sum' });
  const problem = h('p', { class: 'field-problem', hidden: true });
  const control = h('input', {
    type: 'number',
    class: 'field picker-quantity',
    min: '1',
    step: '1',
    value: '1',
    inputmode: 'numeric',
    'aria-label': `Quantity of ${name}`,
    max: String(stock),
  });
  const element = h(
    'li',
    { class: 'picker-line' },
    control,
    h('span', { class: 'picker-name', text: name }),
    sum,
    h(
      'button',
      { type: 'button', class: 'icon-button', 'aria-label': `Remove ${name}`, onclick: remove },
      icon('close'),
    ),
    problem,
  );
  const quantity = () => Math.max(0, Math.floor(Number(control.value) || 0));
  function show() {
    setText(sum, money(price * quantity(), currency));
    changed();
  }
  function complain(message) {
    setText(problem, message);
    problem.hidden = message === '';
    if (message) control.setAttribute('aria-invalid', 'true');
    else control.removeAttribute('aria-invalid');
  }
  control.addEventListener('input', () => {
    complain('');
    show();
  });
  setText(sum, money(price, currency));
  return {
    id,
    product,
    element,
    control,
    complain,
    get quantity() {
      return quantity();
    },
    more() {
      control.value = String(quantity() + 1);
      show();
    },
  };
}

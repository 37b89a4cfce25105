/**
 * The dialog that makes a product or changes one.
 *
 * A change is asked for under the version that the form was filled from. Where somebody has changed
 * the product meanwhile, the form says what is different now, and a second press decides anew.
 */
import { HubError } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';
import { formDialog } from '../elements/dialog.js';
import { checkbox, field, input, textarea } from '../elements/fields.js';
import { h } from '../elements/dom.js';
import { merchantField } from '../elements/merchant-field.js';
import { money, parseMoney, plainMoney } from '../elements/money.js';
import { changesOf } from '../state/products.js';
import { amountProblem } from './order-payment.js';

const CURRENCY = /^[A-Z]{3}$/;
/** What a person sees of each field. @type {Record<string, (product: any) => string>} */
const SHOWN = {
  name: ({ name }) => `the name is “${name}”`,
  price: ({ price, currency }) => `the price is ${money(price, currency)}`,
  currency: ({ currency }) => `the currency is ${currency}`,
  stock: ({ stock }) => `the stock is ${stock}`,
  category: ({ category }) => `the category is ${category ? `“${category}”` : 'empty'}`,
  description: () => 'the description is another',
  is_active: ({ is_active }) => `it is ${is_active ? 'active' : 'inactive'}`,
};

/**
 * @param {import('./shell.js').Context} context
 * @param {(product: import('../state/products.js').Product) => void} done
 */
export function productDialog(context, done) {
  const { hub, commands, toasts } = context;
  /** What the form was filled from; null for a new one. */
  let before = null;
  let id = '';
  let currencyBefore = 'USD';
  const merchant = merchantField(context);
  const name = field({
    label: 'Name',
    pointer: '/name',
    control: input({ maxlength: '120', required: true }),
    wide: true,
  });
  const price = field({
    label: 'Price',
    pointer: '/price',
    control: input({ inputmode: 'decimal', required: true }),
  });
  const currency = field({
    label: 'Currency',
    pointer: '/currency',
    control: input({ maxlength: '3', autocapitalize: 'characters', spellcheck: 'false' }),
  });
  const stock = field({
    label: 'Stock',
    pointer: '/stock',
    control: input({ type: 'number', min: '0', step: '1', inputmode: 'numeric' }),
  });
  const category = field({
    label: 'Category (optional)',
    pointer: '/category',
    control: input({ maxlength: '120' }),
  });
  const description = field({
    label: 'Description (optional)',
    pointer: '/description',
    control: textarea({ maxlength: '4096' }),
    wide: true,
  });
  const active = checkbox('Active: bots may offer it');
  const news = h('p', { class: 'form-note', role: 'alert', hidden: true });
  const dialog = formDialog({
    title: 'New product',
    submit: 'Save',
    wide: true,
    body: [
      h(
        'div',
        { class: 'form-grid' },
        merchant.element,
        name.element,
        price.element,
        currency.element,
        stock.element,
        category.element,
        description.element,
        active.element,
      ),
      news,
    ],
    run: save,
  });
  dialog.form.add(merchant.field, name, price, currency, stock, category, description);

  function said() {
    const unit = currency.control.value.trim().toUpperCase();
    return {
      name: name.control.value.trim(),
      price: CURRENCY.test(unit) ? parseMoney(price.control.value, unit) : null,
      currency: unit,
      stock: /^\d{1,15}$/.test(stock.control.value.trim()) ? Number(stock.control.value) : null,
      category: category.control.value.trim() || null,
      description: description.control.value.trim(),
      is_active: active.control.checked,
    };
  }

  function check({ name: called, price: amount, currency: unit, stock: left }) {
    const errors = [];
    if (!called) errors.push({ pointer: '/name', message: 'what is it called?' });
    if (!CURRENCY.test(unit)) {
      errors.push({ pointer: '/currency', message: 'three letters, as USD' });
    } else if (amount === null) {
      errors.push({ pointer: '/price', message: amountProblem(unit) });
    }
    if (left === null) errors.push({ pointer: '/stock', message: 'a whole number, 0 or more' });
    if (errors.length) throw new HubError('not complete', { code: 'invalid_params', errors });
  }

  async function save() {
    const product = said();
    check(product);
    news.hidden = true;
    const saved = before ? await change(product) : await create(product);
    done(saved);
    toasts.say(`${saved.name} was saved`);
  }

  async function create(product) {
    const params = { ...merchant.params(), id, ...product };
    return (await commands.run('products.create', params)).product;
  }

  async function change(product) {
    const { id: own, version } = before;
    const changes = changesOf(before, product);
    if (Object.keys(changes).length === 0) return before;
    try {
      const params = { id: own, ...changes };
      return (await commands.run('products.update', params, { ifMatch: version })).product;
    } catch (error) {
      if (error.code === 'precondition_failed') await tellNews(own);
      throw error;
    }
  }

  /** Somebody was faster: what is different is said, and the next press is for what there is now. */
  async function tellNews(own) {
    const { product } = await hub.call('products.get', { id: own });
    const differing = Object.keys(SHOWN).filter((each) => product[each] !== before[each]);
    const facts = differing.map((each) => SHOWN[each](product)).join(', ');
    before = product;
    news.textContent = `${facts || 'its pictures are others'} now. Save again to write your own.`;
    news.hidden = false;
  }

  return {
    element: dialog.element,
    /** @param {import('../state/products.js').Product | null} product null for a new one */
    open(product) {
      before = product;
      id = uuid7();
      const { price: amount, currency: unit = currencyBefore } = product ?? {};
      name.control.value = product?.name ?? '';
      currency.control.value = unit;
      price.control.value = product ? plainMoney(amount, unit) : '';
      stock.control.value = String(product?.stock ?? 0);
      category.control.value = product?.category ?? '';
      description.control.value = product?.description ?? '';
      active.control.checked = product?.is_active ?? true;
      news.hidden = true;
      merchant.show();
      if (product) merchant.element.hidden = true;
      dialog.open(product ? `Edit ${product.name}` : 'New product');
      name.control.focus();
    },
    /** @param {string} unit what the next new product is sold in */
    usual(unit) {
      currencyBefore = unit;
    },
  };
}

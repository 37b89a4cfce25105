/**
 * The dialog that takes an order.
 */
import { HubError } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';
import { formDialog } from '../elements/dialog.js';
import { field, input, textarea } from '../elements/fields.js';
import { h, oncePerFrame } from '../elements/dom.js';
import { merchantField } from '../elements/merchant-field.js';
import { productPicker } from '../elements/product-picker.js';
import { Collection, faceOf } from '../state/collection.js';
import { orderName } from '../state/orders.js';
import { productMatches, productQuestion } from '../state/products.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {(order: import('../state/orders.js').Order) => void} made
 */
export function newOrderDialog(context, made) {
  const { hub, commands, toasts, session } = context;
  const own = session.store.value.session.role !== 'admin';
  const products = new Collection(hub, { plural: 'products', page: 200 });
  let id = '';
  let find = '';
  const merchant = merchantField(context);
  const phone = field({
    label: 'Customer’s phone',
    pointer: '/customer_phone',
    control: input({ type: 'tel', inputmode: 'tel', required: true, placeholder: '+263771234567' }),
  });
  const customer = field({
    label: 'Customer id (optional)',
    pointer: '/customer_id',
    control: input({ maxlength: '128' }),
  });
  const notes = field({
    label: 'Notes (optional)',
    pointer: '/notes',
    control: textarea({ rows: '2', maxlength: '4096' }),
    wide: true,
  });
  const picker = productPicker({ find: search, changed: () => {} });
  const dialog = formDialog({
    title: 'New order',
    submit: 'Take the order',
    icon: 'plus',
    wide: true,
    body: [
      h(
        'div',
        { class: 'form-grid' },
        merchant.element,
        phone.element,
        customer.element,
        picker.element,
        notes.element,
      ),
    ],
    run: create,
  });
  const list = { element: picker.element, pointer: '/items', complain: picker.complain };
  const items = { ...list, control: picker.element.querySelector('input') };
  const fixed = [merchant.field, phone, customer, notes, items];

  function search(text) {
    find = text;
    ask();
  }

  function ask() {
    const { merchant_id: merchantId = null } = merchant.params();
    const question = productQuestion({ find, active: 'true', merchantId, own });
    products.ask(question.parts, question);
    draw();
  }

  const draw = oncePerFrame(() => {
    const state = products.store.value;
    const offered = state.rows
      .filter((product) => product.is_active && productMatches(product, find))
      .sort((a, b) => a.name.localeCompare(b.name));
    const says = {
      loading: 'Loading the products…',
      offline: 'Not connected.',
      failed: state.problem,
      empty: find ? `No product is found for “${find}”.` : 'There are no products yet.',
    };
    picker.offer(offered, says[faceOf(state, offered.length)] ?? '');
  });
  products.store.watch(draw);

  async function create(form) {
    form.fields = [...fixed, ...picker.fields];
    const order = {
      ...merchant.params(),
      id,
      customer_phone: phone.control.value.replaceAll(/[\s()-]/g, ''),
      items: picker.items,
      ...given('customer_id', customer),
      ...given('notes', notes),
    };
    const errors = [];
    if (!order.customer_phone) {
      errors.push({ pointer: '/customer_phone', message: 'whose order is it?' });
    }
    if (order.items.length === 0) errors.push({ pointer: '/items', message: 'choose a product' });
    order.items.forEach(({ quantity }, index) => {
      const pointer = `/items/${index}/quantity`;
      if (quantity < 1) errors.push({ pointer, message: 'at least one, or remove the line' });
    });
    if (errors.length) throw new HubError('not complete', { code: 'invalid_params', errors });
    const result = await commands.run('orders.create', order);
    made(result.order);
    toasts.say(`Order ${orderName(result.order)} was taken`);
  }

  merchant.field.control.addEventListener('change', () => {
    picker.clear();
    ask();
  });
  dialog.element.addEventListener('close', () => products.close());

  return {
    element: dialog.element,
    open() {
      id = uuid7();
      find = '';
      for (const { control } of [phone, customer, notes]) control.value = '';
      picker.clear();
      merchant.show();
      dialog.form.fields = fixed;
      ask();
      products.open();
      dialog.open();
      phone.control.focus();
    },
  };
}

/** What was written into a field that may be left empty. */
function given(name, { control }) {
  const value = control.value.trim();
  return value ? { [name]: value } : {};
}

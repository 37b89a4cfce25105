/**
 * The dialog that records a payment for an order.
 */
import { HubError } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';
import { formDialog } from '../elements/dialog.js';
import { field, input } from '../elements/fields.js';
import { h } from '../elements/dom.js';
import { minorDigits, money, parseMoney, plainMoney } from '../elements/money.js';
import { orderName } from '../state/orders.js';

const METHODS = ['Cash', 'Card', 'Mobile money', 'Bank transfer'];

/**
 * @param {import('./shell.js').Context} context
 * @param {(order: import('../state/orders.js').Order) => void} paid
 */
export function paymentDialog({ commands, toasts }, paid) {
  /** @type {import('../state/orders.js').Order} */
  let order;
  let own = '';
  const amount = field({
    label: 'Amount',
    pointer: '/amount',
    control: input({ inputmode: 'decimal', required: true }),
  });
  const method = field({
    label: 'Method',
    pointer: '/method',
    control: input({ list: 'payment-methods', maxlength: '64', required: true }),
  });
  const reference = field({
    label: 'Reference',
    pointer: '/transaction_id',
    control: input({ maxlength: '128', autocapitalize: 'none', spellcheck: 'false' }),
    hint: 'What the payer’s side calls it. Left empty, one is made.',
    wide: true,
  });
  const left = h('p', { class: 'muted' });
  const dialog = formDialog({
    title: 'Record a payment',
    submit: 'Record',
    icon: 'pay',
    body: [
      left,
      h('div', { class: 'form-grid' }, amount.element, method.element, reference.element),
      h(
        'datalist',
        { id: 'payment-methods' },
        ...METHODS.map((value) => h('option', { value })),
      ),
    ],
    run: record,
  });
  dialog.form.add(amount, method, reference);

  async function record() {
    const { id, currency } = order;
    const sum = parseMoney(amount.control.value, currency);
    const errors = [];
    if (!sum) errors.push({ pointer: '/amount', message: amountProblem(currency) });
    const how = method.control.value.trim();
    if (!how) errors.push({ pointer: '/method', message: 'say how it was paid' });
    if (errors.length) throw new HubError('not complete', { code: 'invalid_params', errors });
    const transaction = reference.control.value.trim() || own;
    const params = { id, amount: sum, method: how, transaction_id: transaction };
    const result = await commands.run('orders.pay', params);
    paid(result.order);
    toasts.say(`${money(sum, currency)} recorded for ${orderName(order)}`);
  }

  return {
    element: dialog.element,
    /**
     * @param {import('../state/orders.js').Order} chosen
     * @param {number} open what is still to be paid, minor units
     */
    open(chosen, open) {
      order = chosen;
      // One for each opening: who presses the button twice has paid once.
      own = `dashboard-${uuid7()}`;
      left.textContent =
        `${money(open, order.currency)} of ${money(order.total, order.currency)} are open for ` +
        `order ${orderName(order)}.`;
      amount.control.value = plainMoney(open, order.currency);
      reference.control.value = '';
      dialog.open();
      amount.control.select();
    },
  };
}

/** @param {string} currency */
export function amountProblem(currency) {
  const digits = minorDigits(currency);
  return digits ? `an amount as 12.50, with up to ${digits} decimals` : 'a whole amount as 1200';
}

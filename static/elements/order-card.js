/**
 * A card of the board: one order in five lines, all of it a button that opens the order.
 */
import { FOLLOWING, itemsText, orderName, VERBS } from '../state/orders.js';
import { h, icon, setText } from './dom.js';
import { fullTime, relativeTime } from './format.js';
import { money } from './money.js';
import './status-pill.js';

/**
 * @param {string} id
 * @param {string} describedBy the id of the text that says which keys do what; empty for none
 */
export function orderCard(id, describedBy) {
  const name = h('span', { class: 'card-name number' });
  const time = h('time', { class: 'card-time' });
  const phone = h('span', { class: 'card-phone number' });
  const items = h('span', { class: 'card-items' });
  const total = h('span', { class: 'card-total number' });
  const payment = h('status-pill');
  const merchant = h('span', { class: 'second card-merchant' });
  const main = h(
    'button',
    { type: 'button', class: 'card-main', tabindex: '-1', 'aria-describedby': describedBy || null },
    h('span', { class: 'card-line' }, name, time),
    phone,
    items,
    merchant,
    h('span', { class: 'card-line' }, total, payment),
  );
  // A finger scrolls the column by its cards; it moves one by this.
  const grip = h('span', { class: 'card-grip', 'aria-hidden': 'true' }, icon('grip'));
  const step = h('button', { type: 'button', class: 'button small card-step' });
  const element = h('li', { class: 'card-item' }, main, grip, step);
  element.dataset.id = id;

  return {
    element,
    main,
    step,
    /**
     * @param {import('../state/orders.js').Order} order
     * @param {object} how
     * @param {boolean} how.movable whether the person may move it
     * @param {string} how.merchant its name, where several are shown
     * @param {number} how.now ms
     */
    show(order, { movable, merchant: whose, now }) {
      const [following] = FOLLOWING[order.status];
      element.dataset.status = order.status;
      setText(name, orderName(order));
      setText(time, relativeTime(order.created_at, now));
      time.dateTime = order.created_at;
      time.title = fullTime(order.created_at);
      setText(phone, order.customer_phone);
      setText(items, itemsText(order));
      setText(total, money(order.total, order.currency));
      payment.show(order.payment_status);
      setText(merchant, whose);
      grip.hidden = !movable || !following;
      step.hidden = !movable || !following;
      if (following) {
        step.dataset.to = following;
        setText(step, VERBS[following]);
        step.setAttribute('aria-label', `${VERBS[following]}: order ${orderName(order)}`);
      }
    },
  };
}

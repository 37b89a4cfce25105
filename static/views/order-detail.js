/**
 * Everything about one order, in a drawer: what was ordered, what was paid, how it is delivered,
 * what happened, and what may be done about it.
 */
import { detailDrawer } from '../elements/detail-drawer.js';
import { h, icon } from '../elements/dom.js';
import { fullTime, shortTime } from '../elements/format.js';
import { money } from '../elements/money.js';
import { statusPill } from '../elements/status-pill.js';
import { summaryOf } from '../elements/summary.js';
import { followOrder } from '../state/order-detail.js';
import { FOLLOWING, orderName, VERBS } from '../state/orders.js';
import { formatHash } from './router.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {object} on
 * @param {() => void} on.close the person has closed it
 * @param {(id: string, to: string) => void} on.move
 * @param {(order: import('../state/orders.js').Order, open: number) => void} on.pay
 */
export function orderDrawer(context, { close, move, pay }) {
  const { hub, merchants, may, session } = context;
  const admin = session.store.value.session.role === 'admin';
  const drawer = detailDrawer({ onclose: close });
  const pill = statusPill('pending');
  drawer.beside.append(pill);
  /** @type {import('../state/followed.js').Followed<any> | null} */
  let followed = null;
  let shown = '';

  function stop() {
    followed?.stop();
    followed = null;
    shown = '';
  }

  function draw({ value, problem, gone }) {
    pill.hidden = value === null;
    drawer.foot.hidden = value === null || gone;
    if (gone) {
      drawer.body.replaceChildren(h('p', { class: 'muted', text: 'This order is not there.' }));
    } else if (value === null) {
      const text = problem || 'Loading the order…';
      drawer.body.replaceChildren(h('p', { class: 'muted', role: 'status', text }));
    } else {
      drawOrder(value);
    }
  }

  function drawOrder({ order, payments, paid, deliveries, events }) {
    pill.show(order.status);
    const top = drawer.body.scrollTop;
    drawer.body.replaceChildren(
      facts(order, merchants, admin),
      goods(order, paid),
      section('Payments', payments.map(paymentRow), 'Nothing was paid yet'),
      section('Deliveries', deliveries.map(deliveryRow), 'No delivery yet'),
      section('Timeline', events.map(eventRow), 'The log keeps no event of it any more'),
    );
    drawer.body.scrollTop = top;
    drawActions(order, paid);
  }

  function drawActions(order, paid) {
    // Whoever is on a button stays on it, if what it does can still be done.
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const at = drawer.foot.contains(focused) ? focused.dataset.act : '';
    const buttons = [];
    const steps = may('orders.set_status') ? FOLLOWING[order.status] : [];
    for (const to of steps) {
      const danger = to === 'cancelled';
      buttons.push(
        h('button', {
          type: 'button',
          class: danger ? 'button' : 'button primary',
          text: VERBS[to],
          'data-act': to,
          onclick: () => move(order.id, to),
        }),
      );
    }
    const open = order.total - paid;
    if (may('orders.pay') && open > 0 && order.status !== 'cancelled') {
      buttons.splice(
        1,
        0,
        h(
          'button',
          {
            type: 'button',
            class: 'button',
            'data-act': 'pay',
            onclick: () => pay(order, open),
          },
          icon('pay'),
          h('span', { text: 'Record a payment' }),
        ),
      );
    }
    drawer.foot.replaceChildren(...buttons);
    drawer.foot.hidden = buttons.length === 0;
    if (at) (buttons.find(({ dataset }) => dataset.act === at) ?? buttons[0])?.focus();
  }

  return {
    element: drawer.element,
    /**
     * @param {string} id
     * @param {boolean} [focus] whether the keyboard goes there
     */
    show(id, focus = true) {
      if (id === shown) return;
      stop();
      shown = id;
      drawer.open(`Order ${orderName({ id })}`, focus);
      followed = followOrder(hub, id);
      followed.store.watch(draw);
    },
    hide() {
      stop();
      drawer.hide();
    },
    leave() {
      stop();
      drawer.leave();
    },
  };
}

/** Where what was written with the customer stands; an admin reads one merchant's there. */
function conversation({ merchant_id: merchant, customer_phone: phone }, admin) {
  return formatHash('/conversations', { merchant: admin ? merchant : null, phone });
}

function facts(order, merchants, admin) {
  const rows = [
    [
      'Customer',
      h(
        'dd',
        { class: 'order-customer' },
        h('span', { class: 'number', text: order.customer_phone }),
        h('a', { href: conversation(order, admin), text: 'Conversation' }),
      ),
    ],
    ['Customer id', order.customer_id && h('dd', { text: order.customer_id })],
    ['Taken', h('dd', {}, when(order.created_at))],
    ['Changed', h('dd', {}, when(order.updated_at))],
    ['Notes', order.notes && h('dd', { class: 'order-notes', text: order.notes })],
    ['Merchant', h('dd', { text: merchants.name(order.merchant_id) })],
    ['Id', h('dd', {}, h('code', { text: order.id }))],
  ];
  return h(
    'dl',
    { class: 'facts order-facts' },
    ...rows
      .filter(([, value]) => value)
      .flatMap(([name, value]) => [h('dt', { text: name }), value]),
  );
}

function when(timestamp) {
  return h('time', {
    datetime: timestamp,
    title: fullTime(timestamp),
    text: shortTime(timestamp),
  });
}

function goods(order, paid) {
  const { items, total, currency, payment_status: status } = order;
  const lines = items.map(({ name, quantity, price }) =>
    h(
      'li',
      { class: 'order-good' },
      h('span', { class: 'number muted', text: `${quantity} ×` }),
      h('span', { class: 'order-good-name', text: name }),
      h('span', { class: 'number', text: money(quantity * price, currency) }),
    ),
  );
  return h(
    'section',
    { class: 'drawer-section', 'aria-label': 'Items' },
    h('h3', {}, 'Items', statusPill(status)),
    h('ul', { class: 'order-goods', role: 'list' }, ...lines),
    h(
      'dl',
      { class: 'order-sums' },
      sum('Total', money(total, currency)),
      paid > 0 && sum('Paid', money(paid, currency)),
      paid > 0 && paid < total && sum('Open', money(total - paid, currency)),
    ),
  );
}

function sum(name, value) {
  return h('div', {}, h('dt', { text: name }), h('dd', { class: 'number', text: value }));
}

function section(title, rows, none) {
  const list = h('ul', { class: 'drawer-rows', role: 'list' }, ...rows);
  return h(
    'section',
    { class: 'drawer-section', 'aria-label': title },
    h('h3', { text: title }),
    rows.length ? list : h('p', { class: 'muted', text: none }),
  );
}

function paymentRow({ amount, currency, method, transaction_id: transaction, created_at: at }) {
  return row(money(amount, currency), `${method} · ${transaction}`, at);
}

function deliveryRow({ status, driver_id: driver, distance_km: distance, created_at: at }) {
  const said = [driver ? `driver ${driver}` : 'no driver yet', distance && `${distance} km`];
  return row(statusPill(status), said.filter(Boolean).join(' · '), at);
}

function eventRow({ type, data, timestamp, source }) {
  // Which order it is, the drawer says already.
  const about = { ...data, orderId: '' };
  const name = h('span', { class: 'event-type', text: type });
  const element = row(name, summaryOf({ type, data: about }), timestamp);
  element.classList.add('timeline-row');
  if (source) element.title = `by ${source}`;
  return element;
}

function row(title, text, timestamp) {
  const time = h('time', {
    class: 'row-time number',
    datetime: timestamp,
    title: fullTime(timestamp),
    text: shortTime(timestamp),
  });
  return h(
    'li',
    { class: 'drawer-row' },
    h('span', { class: 'row-title' }, title),
    time,
    text && h('span', { class: 'row-text', text }),
  );
}

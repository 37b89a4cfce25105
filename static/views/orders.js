/**
 * Orders: a board by status, one order in a drawer, and the ways to change them.
 */
import '../elements/list-state.js';
import '../elements/order-board.js';
import '../elements/reading-status.js';
import { sentenceOf } from '../client/errors.js';
import { questionDialog } from '../elements/dialog.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted } from '../elements/format.js';
import { sentence } from '../elements/fields.js';
import { choice, searchBox, toolbar } from '../elements/toolbar.js';
import { Orders, orderName, STATUSES } from '../state/orders.js';
import { showReading } from './attention.js';
import { orderDrawer } from './order-detail.js';
import { newOrderDialog } from './order-new.js';
import { paymentDialog } from './order-payment.js';

const TICK_MS = 1_000;
const PAYMENTS = [
  ['', 'Any payment'],
  ['unpaid', 'Unpaid'],
  ['partial', 'Partly paid'],
  ['paid', 'Paid'],
  ['refunded', 'Refunded'],
];

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function ordersView(context) {
  const { hub, commands, connection, merchants, session, stream, toasts, adjust, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const movable = may('orders.set_status');
  const orders = new Orders(hub, commands);
  let filter = { find: '', payment: '', merchantId: null };
  let status = STATUSES[0];
  let opened = '';

  const search = searchBox({
    label: 'Find orders',
    placeholder: 'Phone, product, number …',
    find: (text) => adjust({ find: text || null }),
  });
  const payment = choice({
    label: 'Payment',
    options: /** @type {[string, string][]} */ (PAYMENTS),
    choose: (value) => adjust({ payment: value || null }),
  });
  const board = h('order-board');
  const state = h('list-state', { class: 'board-state' });
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const hints = h(
    'p',
    { class: 'hints', hidden: !movable },
    ...keyHints([
      ['↑↓←→', 'go'],
      ['Enter', 'open'],
      ['Space', 'lift and put down'],
    ]),
  );
  const pay = paymentDialog(context, (order) => orders.put(order));
  const fresh = newOrderDialog(context, (order) => orders.put(order));
  const cancel = questionDialog({
    submit: 'Cancel the order',
    keep: 'Keep it',
    run: async ({ id }) => carry(id, 'cancelled'),
  });
  const drawer = orderDrawer(context, {
    close: () => adjust({ order: null }),
    move,
    pay: (order, open) => pay.open(order, open),
  });
  const element = h(
    'div',
    { class: 'screen orders' },
    toolbar(search.element, payment.element),
    h('div', { class: 'screen-list board' }, board, state),
    drawer.element,
    h('footer', { class: 'status' }, reading, hints, count),
    pay.element,
    fresh.element,
    cancel.element,
  );
  const create = h(
    'button',
    { type: 'button', class: 'button primary', 'aria-label': 'New order', onclick: fresh.open },
    icon('plus'),
    h('span', { class: 'action-label', text: 'New order' }),
  );

  /** Goods go back to the stock, and nothing leads out of it: that is asked first. */
  function move(id, to) {
    if (to !== 'cancelled') return void carry(id, to);
    const order = orders.get(id);
    cancel.open(
      { id },
      `Cancel order ${orderName({ id })}?`,
      `It is ${order?.status ?? 'open'}. What was ordered goes back to the stock, and a cancelled ` +
        'order stays cancelled.',
    );
  }

  async function carry(id, to) {
    const name = orderName({ id });
    try {
      await orders.move(id, to);
      board.say(`${name} is ${to}.`);
      // Where one column is shown, the card has gone from it.
      if (!drawer.element.open && to !== status) toasts.say(`${name} is ${to}`);
    } catch (error) {
      board.say(`${name} was not moved.`);
      toasts.say(`${name} was not moved`, { kind: 'problem', detail: sentence(sentenceOf(error)) });
    }
  }

  const drawNow = () => {
    const value = orders.list.store.value;
    const { columns, count: shown } = orders.store.value;
    const now = Date.now();
    element.classList.toggle('stale', showReading(reading, value, connection, now));
    const asked = filter.find !== '' || filter.payment !== '';
    state.show(value, {
      shown,
      what: 'orders',
      empty: {
        title: asked ? 'No order matches' : 'There are no orders yet',
        text: asked
          ? 'Nothing among the orders that are loaded fits. A whole phone number finds older ones.'
          : 'What a bot takes, and what is taken here, stands on this board.',
        action: asked
          ? { label: 'Show all', run: () => adjust({ find: null, payment: null }) }
          : movable
            ? { label: 'New order', run: fresh.open }
            : null,
      },
      retry: () => orders.list.reload(),
    });
    board.hidden = shown === 0;
    const several = admin && filter.merchantId === null;
    board.show(columns, {
      movable,
      status,
      opened,
      merchantName: (id) => (several ? merchants.name(id) : ''),
      now,
    });
    const more = columns.some((column) => column.more) ? ', and more' : '';
    hints.hidden = !movable || shown === 0;
    setText(count, shown ? `${counted(shown, 'order')}${more}` : '');
  };
  const draw = oncePerFrame(drawNow);

  board.addEventListener('open', ({ detail }) => adjust({ order: detail }));
  board.addEventListener('move', ({ detail }) => move(detail.id, detail.to));
  board.addEventListener('more', ({ detail }) => orders.more(detail));
  board.addEventListener('choose', ({ detail }) => {
    adjust({ status: detail === STATUSES[0] ? null : detail });
  });

  const timer = setInterval(draw, TICK_MS);
  orders.open();
  const ends = [
    orders.store.watch(draw),
    orders.list.store.watch(draw),
    merchants.store.watch(draw),
    connection.watch(draw),
    () => clearInterval(timer),
    () => orders.close(),
    () => drawer.leave(),
  ];

  return {
    element,
    actions: may('orders.create') ? [create] : [],
    update(query) {
      filter = {
        find: query.get('find') ?? '',
        payment: query.get('payment') ?? '',
        merchantId: admin ? stream.merchantId : null,
      };
      const chosen = query.get('status') ?? '';
      status = STATUSES.includes(chosen) ? chosen : STATUSES[0];
      search.show(filter.find);
      payment.show(filter.payment);
      orders.narrow(filter);
      const id = query.get('order') ?? '';
      if (id !== opened) {
        opened = id;
        if (id) drawer.show(id);
        else drawer.hide();
      }
      draw();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

function keyHints(hints) {
  return hints.map(([key, what]) => h('span', {}, h('kbd', { text: key }), ` ${what}`));
}

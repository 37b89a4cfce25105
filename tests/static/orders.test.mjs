// The board of orders and the lists of products, as far as they are logic.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import { HubError } from '../../static/client/errors.js';
import { Followed } from '../../static/state/followed.js';
import {
  FOLLOWING,
  itemsText,
  nextTarget,
  orderMatches,
  orderName,
  Orders,
  STATUSES,
  VERBS,
} from '../../static/state/orders.js';
import {
  changesOf,
  moved,
  productMatches,
  productQuestion,
  stockState,
} from '../../static/state/products.js';
import { FakeClock, settled } from './support.mjs';

const TEA = { product_id: 'p', name: 'Rooibos tea', quantity: 2, price: 260 };

function order(n, status = 'pending', changes = {}) {
  return {
    id: `o-00000${n}`,
    merchant_id: 'm',
    customer_phone: `+26377123450${n}`,
    customer_id: null,
    items: [TEA],
    total: 520,
    currency: 'USD',
    status,
    payment_status: 'unpaid',
    notes: null,
    version: 1,
    ...changes,
  };
}

class FakeHub extends Emitter {
  status = { state: 'live' };
  rows = new Map();
  asked = [];

  constructor(...orders) {
    super();
    for (const each of orders) this.rows.set(each.id, each);
  }

  async ask(method, { status, payment_status: payment, customer_phone: phone, id }) {
    this.asked.push([method, phone ?? status ?? id]);
    if (method === 'orders.get') return { result: { order: this.rows.get(id) }, offset: 5 };
    const orders = [...this.rows.values()].filter(
      (each) =>
        (!status || each.status === status) &&
        (!payment || each.payment_status === payment) &&
        (!phone || each.customer_phone === phone),
    );
    return { result: { orders, next: null }, offset: 5 };
  }
}

/** Carries out a move when the test says so. */
class FakeCommands {
  runs = [];

  run(method, params, options) {
    return new Promise((resolve, reject) => {
      this.runs.push({ method, params, options, resolve, reject });
    });
  }
}

const NO_FILTER = { find: '', payment: '', merchantId: null };

async function board(...rows) {
  const hub = new FakeHub(...rows);
  const commands = new FakeCommands();
  const clock = new FakeClock();
  const orders = new Orders(hub, commands, clock);
  orders.narrow(NO_FILTER);
  orders.open();
  await settled();
  const shown = () =>
    Object.fromEntries(
      orders.store.value.columns
        .filter((column) => column.orders.length)
        .map((column) => [column.status, column.orders.map(({ id }) => Number(id.slice(-1)))]),
    );
  return { hub, commands, clock, orders, shown };
}

test('every status has a place, and every step a verb', () => {
  assert.deepEqual(Object.keys(FOLLOWING), STATUSES);
  for (const targets of Object.values(FOLLOWING)) {
    for (const to of targets) assert.ok(STATUSES.includes(to) && VERBS[to], to);
  }
});

test('a lifted order stands over nothing but where it may go', () => {
  assert.equal(nextTarget('pending', 'pending', 1), 'confirmed');
  assert.equal(nextTarget('pending', 'confirmed', 1), 'cancelled');
  assert.equal(nextTarget('pending', 'cancelled', 1), 'cancelled');
  assert.equal(nextTarget('pending', 'cancelled', -1), 'confirmed');
  assert.equal(nextTarget('preparing', 'preparing', -1), 'preparing');
  assert.equal(nextTarget('dispatched', 'dispatched', 1), 'delivered');
});

test('orders are called and found as people do', () => {
  const found = order(7, 'pending', { notes: 'Ring twice', id: 'o-0a1b2c' });
  assert.equal(orderName(found), '#0A1B2C');
  assert.equal(itemsText(found), '2 × Rooibos tea');
  for (const text of ['', '#0a1b', '0A1B2C', '507', 'rooibos', 'TWICE ring']) {
    assert.ok(orderMatches(found, text), text);
  }
  assert.ok(!orderMatches(found, 'rooibos coffee'));
});

test('a board has its orders in columns, the newest first', async () => {
  const { shown, orders } = await board(order(1), order(2), order(3, 'delivered'));
  assert.deepEqual(shown(), { pending: [2, 1], delivered: [3] });
  assert.equal(orders.store.value.count, 3);
});

test('a move is shown at once, and asked for under the version that was seen', async () => {
  const { orders, commands, shown } = await board(order(1));
  const done = orders.move('o-000001', 'confirmed');
  assert.deepEqual(shown(), { confirmed: [1] });
  const [{ method, params, options, resolve }] = commands.runs;
  assert.equal(method, 'orders.set_status');
  assert.deepEqual(params, { id: 'o-000001', status: 'confirmed' });
  assert.deepEqual(options, { ifMatch: 1 });
  resolve({ order: order(1, 'confirmed', { version: 2 }) });
  await done;
  assert.deepEqual(shown(), { confirmed: [1] });
  assert.equal(orders.get('o-000001').version, 2);
});

test('a refused move goes back, and what the hub has comes', async () => {
  const { orders, commands, hub, shown } = await board(order(1));
  const refusal = new HubError('the order is cancelled', { code: 'precondition_failed' });
  const done = assert.rejects(orders.move('o-000001', 'confirmed'), refusal);
  hub.rows.set('o-000001', order(1, 'cancelled', { version: 2 }));
  commands.runs[0].reject(refusal);
  await done;
  await settled();
  assert.deepEqual(shown(), { cancelled: [1] });
});

test('an event during a move does not move it about', async () => {
  const { orders, commands, hub, clock, shown } = await board(order(1));
  const done = orders.move('o-000001', 'confirmed');
  hub.rows.set('o-000001', order(1, 'pending', { version: 2, notes: 'changed' }));
  const data = { version: 2 };
  hub.emit('event', { type: 'order_updated', subject: 'order/o-000001', offset: 6, data });
  clock.pass(1_000);
  await settled();
  assert.equal(orders.get('o-000001').notes, 'changed');
  assert.deepEqual(shown(), { confirmed: [1] });
  commands.runs[0].resolve({ order: order(1, 'confirmed', { version: 3 }) });
  await done;
  assert.deepEqual(shown(), { confirmed: [1] });
});

test('words narrow what is loaded, a whole number finds what is not', async () => {
  const { orders, hub, shown } = await board(order(1), order(2));
  orders.narrow({ ...NO_FILTER, find: '501' });
  assert.deepEqual(shown(), { pending: [1] });
  const calls = hub.asked.length;
  orders.narrow({ ...NO_FILTER, find: '+263771234502' });
  await settled();
  assert.deepEqual(shown(), { pending: [2] });
  assert.deepEqual(hub.asked.slice(calls), [['orders.list', '+263771234502']]);
});

test('a payment that was asked for is asked of the hub', async () => {
  const { orders, hub, clock, shown } = await board(order(1), order(2, 'pending', { payment_status: 'paid' }));
  orders.narrow({ ...NO_FILTER, payment: 'paid' });
  await settled();
  assert.deepEqual(shown(), { pending: [2] });
  hub.rows.set('o-000002', order(2, 'pending', { payment_status: 'refunded', version: 2 }));
  hub.emit('event', { type: 'order_updated', subject: 'order/o-000002', offset: 6, data: {} });
  clock.pass(1_000);
  await settled();
  assert.deepEqual(shown(), {});
});

// ── products ────────────────────────────────────────────────────────────────────────────────

test('products are searched by the hub where it is known whose they are', () => {
  const filter = { find: 'tea', active: '', merchantId: null };
  assert.equal(productQuestion(filter).list, 'products.list');
  assert.deepEqual(productQuestion({ ...filter, own: true }).parts, { all: { q: 'tea' } });
  const narrowed = productQuestion({ ...filter, merchantId: 'm' });
  assert.equal(narrowed.list, 'products.search');
  assert.deepEqual(narrowed.parts, { all: { merchant_id: 'm', q: 'tea' } });
  assert.ok(narrowed.accepts({ name: 'Rooibos TEA', is_active: true }));
  assert.ok(!narrowed.accepts({ name: 'Coffee', is_active: true }));
  const active = productQuestion({ find: '', active: 'true', merchantId: null });
  assert.deepEqual(active.parts, { all: { is_active: true } });
  assert.ok(!active.accepts({ name: 'Tea', is_active: false }));
});

test('products, as they are compared and shown', () => {
  assert.ok(productMatches({ name: 'Rooibos' }, 'BOS'));
  assert.equal(stockState({ stock: 0 }), 'out of stock');
  assert.equal(stockState({ stock: 5 }), 'low stock');
  assert.equal(stockState({ stock: 6 }), 'in stock');
  const before = { name: 'Tea', price: 250, category: null };
  assert.deepEqual(changesOf(before, { name: 'Tea', price: 300, category: null }), { price: 300 });
  assert.deepEqual(moved(['a', 'b', 'c'], 'b', -1), ['b', 'a', 'c']);
  assert.deepEqual(moved(['a', 'b'], 'b', 1), ['a', 'b']);
  assert.deepEqual(moved(['a', 'b'], 'x', 1), ['a', 'b']);
});

// ── followed ────────────────────────────────────────────────────────────────────────────────

async function followed(read) {
  const hub = new FakeHub();
  const clock = new FakeClock();
  let reads = 0;
  const count = async () => {
    reads += 1;
    return read(reads);
  };
  const concerns = ({ subject }) => subject === 'order/o';
  const value = new Followed(hub, { read: count, concerns, clock });
  const pass = async (ms) => {
    clock.pass(ms);
    await settled();
  };
  await pass(0);
  return { hub, value, pass, reads: () => reads };
}

test('what is followed is read again for its events, and for no others', async () => {
  const { hub, value, pass, reads } = await followed((n) => n);
  assert.equal(value.store.value.value, 1);
  hub.emit('event', { subject: 'order/other' });
  await pass(1_000);
  assert.equal(reads(), 1);
  for (let n = 0; n < 5; n += 1) hub.emit('event', { subject: 'order/o' });
  await pass(0);
  assert.equal(value.store.value.value, 2);
  hub.emit('gap', { reason: 'retention' });
  await pass(250);
  assert.equal(reads(), 3);
  value.stop();
  hub.emit('event', { subject: 'order/o' });
  await pass(1_000);
  assert.equal(reads(), 3);
});

test('what is followed is read again after a broken connection, and not during it', async () => {
  const { hub, pass, reads, value } = await followed((n) => n);
  hub.status = { state: 'waiting' };
  hub.emit('status', hub.status);
  hub.emit('event', { subject: 'order/o' });
  await pass(10_000);
  assert.equal(reads(), 1);
  hub.status = { state: 'live' };
  hub.emit('status', hub.status);
  await pass(0);
  assert.equal(value.store.value.value, 2);
});

test('what is followed may be gone, or not be readable for a while', async () => {
  const problems = [null, 'unavailable', 'not_found'];
  const { hub, value, pass, reads } = await followed((n) => {
    const code = problems[n - 1];
    if (code) throw new HubError(`it is ${code}`, { code });
    return n;
  });
  hub.emit('event', { subject: 'order/o' });
  await pass(250);
  assert.equal(value.store.value.problem, 'it is unavailable');
  assert.equal(value.store.value.value, 1);
  for (let n = 0; n < 4 && reads() < 3; n += 1) await pass(1_000);
  assert.equal(value.store.value.gone, true);
});

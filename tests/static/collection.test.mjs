import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import { HubError } from '../../static/client/errors.js';
import { Collection, faceOf } from '../../static/state/collection.js';
import { Commands } from '../../static/state/commands.js';
import { FakeClock, settled } from './support.mjs';

/** A hub with a table of orders: it answers list and get, and tells of what changes. */
class FakeHub extends Emitter {
  status = { state: 'live' };
  offset = 10;
  asked = [];
  refusal = null;
  /** Answers wait while it is set, until `release`. */
  held = null;
  rows = new Map();

  constructor(count = 0) {
    super();
    for (let n = 1; n <= count; n += 1) this.rows.set(idOf(n), order(n));
  }

  async ask(method, params) {
    this.asked.push([method, params]);
    const answer = this.#answer(method, params);
    if (this.held) await new Promise((release) => this.held.push(release));
    if (answer instanceof Error) throw answer;
    return answer;
  }

  #answer(method, params) {
    if (this.refusal) return this.refusal;
    if (this.status.state !== 'live') return new HubError('no connection', { code: 'closed' });
    const { offset } = this;
    if (method === 'orders.get') {
      const row = this.rows.get(params.id);
      if (!row) return new HubError('no such order', { code: 'not_found' });
      return { result: { order: row }, offset };
    }
    const { after = '~', limit, status } = params;
    const wanted = [...this.rows.values()]
      .filter((row) => row.id < after && (!status || row.status === status))
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    const orders = wanted.slice(0, limit);
    const next = wanted.length > limit ? orders.at(-1).id : null;
    return { result: { orders, count: orders.length, next }, offset };
  }

  release() {
    const held = this.held;
    this.held = null;
    for (const release of held) release();
  }

  change(n, changes = {}) {
    const row = this.rows.get(idOf(n)) ?? { ...order(n), version: 0 };
    this.rows.set(row.id, { ...row, ...changes, version: row.version + 1 });
    this.tell(n, 'order_status_changed', row.version + 1);
  }

  remove(n) {
    const { version } = this.rows.get(idOf(n));
    this.rows.delete(idOf(n));
    this.tell(n, 'order_deleted', version);
  }

  tell(n, type, version) {
    this.offset += 1;
    const { offset } = this;
    this.emit('event', { type, subject: `order/${idOf(n)}`, offset, data: { version } });
  }

  become(state) {
    this.status = { state };
    this.emit('status', this.status);
  }

  count(method) {
    return this.asked.filter(([name]) => name === method).length;
  }
}

const idOf = (n) => `o-${String(n).padStart(4, '0')}`;
const order = (n) => ({ id: idOf(n), version: 1, status: 'pending' });
const shown = (list) => list.store.value.rows.map(({ id }) => Number(id.slice(2)));

async function opened(count, { parts = { all: {} }, ...options } = {}) {
  const hub = new FakeHub(count);
  const clock = new FakeClock();
  const list = new Collection(hub, { plural: 'orders', page: 3, clock, ...options });
  list.ask(parts);
  list.open();
  await settled();
  return { hub, clock, list };
}

async function pass(clock, ms) {
  clock.pass(ms);
  await settled();
}

test('a page is read, then one more', async () => {
  const { hub, list } = await opened(7);
  assert.deepEqual(shown(list), [7, 6, 5]);
  assert.deepEqual(list.store.value.parts, { all: { more: true, loading: false } });
  assert.deepEqual(hub.asked, [['orders.list', { limit: 3 }]]);
  const more = list.more('all');
  assert.equal(list.store.value.parts.all.loading, true);
  await list.more('all');
  await more;
  assert.deepEqual(shown(list), [7, 6, 5, 4, 3, 2]);
  await list.more('all');
  assert.deepEqual(shown(list), [7, 6, 5, 4, 3, 2, 1]);
  assert.equal(list.store.value.parts.all.more, false);
  assert.equal(hub.count('orders.list'), 3);
});

test('what the log tells before the first reading adds no row beyond the page', async () => {
  const hub = new FakeHub(7);
  const clock = new FakeClock();
  hub.become('connecting');
  const list = new Collection(hub, { plural: 'orders', page: 3, clock });
  list.open();
  list.ask({ all: {} });
  hub.become('catching-up');
  hub.tell(1, 'order_created', 1);
  await pass(clock, 250);
  assert.deepEqual(hub.asked, []);
  hub.become('live');
  await pass(clock, 250);
  assert.deepEqual(shown(list), [7, 6, 5]);
  assert.deepEqual(hub.asked, [['orders.list', { limit: 3 }]]);
});

test('nothing there is something to be said', async () => {
  const { list } = await opened(0);
  assert.equal(faceOf(list.store.value), 'empty');
  assert.equal(faceOf({ ...list.store.value, phase: 'loading' }), 'loading');
  assert.equal(faceOf({ ...list.store.value, phase: 'loading', connected: false }), 'offline');
  assert.equal(faceOf({ ...list.store.value, phase: 'failed' }), 'failed');
  assert.equal(faceOf({ ...list.store.value, rows: [{}] }), 'rows');
  assert.equal(faceOf({ ...list.store.value, rows: [{}] }, 0), 'empty');
});

test('a row that an event names is read again, once for all its events at a time', async () => {
  const { hub, clock, list } = await opened(3);
  hub.change(2, { status: 'confirmed' });
  hub.change(2, { status: 'preparing' });
  await pass(clock, 250);
  assert.equal(list.get(idOf(2)).status, 'preparing');
  assert.equal(hub.count('orders.get'), 1);
  assert.equal(hub.count('orders.list'), 1);
});

test('the first event is not waited for', async () => {
  const { hub, clock, list } = await opened(3);
  clock.pass(1_000);
  hub.change(2, { status: 'confirmed' });
  await pass(clock, 0);
  assert.equal(list.get(idOf(2)).status, 'confirmed');
});

test('a new row comes in at its place', async () => {
  const { hub, clock, list } = await opened(7);
  hub.change(8);
  await pass(clock, 250);
  assert.deepEqual(shown(list), [8, 7, 6, 5]);
});

test('what a command has answered is not read again for its event', async () => {
  const { hub, clock, list } = await opened(3);
  list.put({ ...order(2), version: 2, status: 'confirmed' });
  hub.change(2, { status: 'confirmed' });
  await pass(clock, 1_000);
  assert.equal(hub.count('orders.get'), 0);
});

test('a late answer does not put an older version back', async () => {
  const { hub, clock, list } = await opened(3);
  hub.held = [];
  hub.change(2, { status: 'confirmed' });
  await pass(clock, 250);
  list.put({ ...order(2), version: 3, status: 'preparing' });
  hub.release();
  await settled();
  assert.equal(list.get(idOf(2)).status, 'preparing');
});

test('events from before the page was read are in it', async () => {
  const { hub, clock } = await opened(3);
  hub.emit('event', { type: 'order_created', subject: 'order/o-9', offset: 10, data: {} });
  hub.emit('event', { type: 'product_updated', subject: 'product/p', offset: 11, data: {} });
  hub.emit('event', { type: 'custom_x', offset: 12, data: {} });
  hub.emit('event', { type: 'typing_started', subject: 'order/o-1', data: {} });
  await pass(clock, 1_000);
  assert.equal(hub.asked.length, 1);
});

test('an event that comes while the page is read is not lost', async () => {
  const hub = new FakeHub(3);
  const clock = new FakeClock();
  const list = new Collection(hub, { plural: 'orders', clock });
  list.ask({ all: {} });
  hub.held = [];
  list.open();
  hub.change(2, { status: 'confirmed' });
  hub.release();
  await settled();
  assert.equal(list.get(idOf(2)).status, 'pending');
  await pass(clock, 250);
  assert.equal(list.get(idOf(2)).status, 'confirmed');
});

test('a row that is gone is dropped', async () => {
  const { hub, clock, list } = await opened(3);
  hub.remove(2);
  assert.deepEqual(shown(list), [3, 1]);
  hub.rows.delete(idOf(3));
  hub.tell(3, 'order_status_changed', 9);
  await pass(clock, 250);
  assert.deepEqual(shown(list), [1]);
});

test('many rows are not read one by one', async () => {
  const { hub, clock, list } = await opened(30, { page: 30 });
  for (let n = 1; n <= 20; n += 1) hub.change(n, { status: 'confirmed' });
  await pass(clock, 250);
  assert.equal(hub.count('orders.list'), 1);
  await pass(clock, 750);
  assert.equal(hub.count('orders.get'), 0);
  assert.equal(hub.count('orders.list'), 2);
  assert.equal(list.store.value.rows.filter(({ status }) => status === 'confirmed').length, 20);
});

test('a flood is read at a pace, a few at once', async () => {
  const { hub, clock, list } = await opened(8, { page: 8 });
  hub.held = [];
  for (let n = 1; n <= 8; n += 1) hub.change(n, { status: 'confirmed' });
  await pass(clock, 250);
  assert.equal(hub.count('orders.get'), 4);
  hub.release();
  await settled();
  assert.equal(hub.count('orders.get'), 8);
  for (let at = 0; at < 10_000; at += 10) {
    hub.change(1 + (at % 8), { note: at });
    await pass(clock, 10);
  }
  assert.ok(hub.asked.length < 9 + 8 * 42, `${hub.asked.length} calls`);
  await pass(clock, 500);
  assert.deepEqual(list.store.value.rows, [...hub.rows.values()].reverse());
});

test('a row that does not fit the question leaves', async () => {
  const { hub, clock, list } = await opened(3);
  list.ask({ all: { status: 'pending' } }, { accepts: ({ status }) => status === 'pending' });
  await settled();
  hub.change(2, { status: 'confirmed' });
  hub.change(9, { status: 'confirmed' });
  await pass(clock, 250);
  assert.deepEqual(shown(list), [3, 1]);
});

test('a board has pages of its own for each part', async () => {
  const parts = { pending: { status: 'pending' }, confirmed: { status: 'confirmed' } };
  const { hub, clock, list } = await opened(7, { parts });
  assert.deepEqual(shown(list), [7, 6, 5]);
  hub.change(1, { status: 'confirmed' });
  await pass(clock, 250);
  assert.deepEqual(shown(list), [7, 6, 5, 1]);
  await list.more('pending');
  assert.deepEqual(shown(list), [7, 6, 5, 4, 3, 2, 1]);
  assert.deepEqual(
    Object.entries(list.store.value.parts).map(([name, { more }]) => [name, more]),
    [['pending', false], ['confirmed', false]],
  );
});

test('after a broken connection everything that was shown is read again', async () => {
  const { hub, clock, list } = await opened(7);
  await list.more('all');
  hub.become('waiting');
  assert.equal(list.store.value.connected, false);
  assert.equal(shown(list).length, 6);
  const { at } = list.store.value;
  await pass(clock, 60_000);
  assert.equal(list.store.value.at, at);
  hub.rows.set(idOf(6), { ...order(6), version: 4, status: 'delivered' });
  hub.become('connecting');
  hub.become('catching-up');
  hub.become('live');
  await settled();
  assert.equal(list.get(idOf(6)).status, 'delivered');
  assert.deepEqual(shown(list), [7, 6, 5, 4, 3, 2]);
  assert.equal(list.store.value.connected, true);
});

test('a connection that breaks while it reads is no problem of its own', async () => {
  const hub = new FakeHub(3);
  const clock = new FakeClock();
  const list = new Collection(hub, { plural: 'orders', clock });
  hub.status = { state: 'waiting' };
  list.ask({ all: {} });
  list.open();
  await pass(clock, 60_000);
  assert.equal(hub.asked.length, 0);
  assert.equal(faceOf(list.store.value), 'offline');
  hub.become('live');
  await settled();
  assert.deepEqual(shown(list), [3, 2, 1]);
});

test('a gap has everything read again; another log is another database', async () => {
  const { hub, list } = await opened(3);
  hub.emit('gap', { reason: 'retention' });
  assert.deepEqual(shown(list), [3, 2, 1]);
  await settled();
  assert.equal(hub.asked.length, 2);
  hub.rows.delete(idOf(3));
  hub.offset = 1;
  hub.emit('gap', { reason: 'epoch' });
  assert.deepEqual(shown(list), []);
  await settled();
  assert.deepEqual(shown(list), [2, 1]);
  hub.change(1, { status: 'confirmed' });
  assert.equal(hub.offset, 2);
});

test('a refusal is said, what was there stays, and it is asked again after the wait', async () => {
  const { hub, clock, list } = await opened(3);
  hub.refusal = new HubError('too many calls', { code: 'rate_limited', retryAfter: 2 });
  hub.change(2);
  await pass(clock, 250);
  assert.match(list.store.value.problem, /takes more in 2 s/);
  assert.equal(list.store.value.phase, 'ready');
  const calls = hub.asked.length;
  await pass(clock, 1_900);
  assert.equal(hub.asked.length, calls);
  hub.refusal = null;
  await pass(clock, 200);
  assert.equal(list.store.value.problem, '');
  assert.equal(list.get(idOf(2)).version, 2);
});

test('a first reading that fails is told, and tried again with growing waits', async () => {
  const hub = new FakeHub(3);
  const clock = new FakeClock();
  const list = new Collection(hub, { plural: 'orders', clock });
  hub.refusal = new HubError('the database does not answer', { code: 'unavailable' });
  list.ask({ all: {} });
  list.open();
  await settled();
  assert.equal(faceOf(list.store.value), 'failed');
  assert.equal(list.store.value.problem, 'the database does not answer');
  for (let n = 0; n < 60; n += 1) await pass(clock, 1_000);
  assert.ok(hub.asked.length > 3 && hub.asked.length < 30, `${hub.asked.length} calls`);
  hub.refusal = null;
  for (let n = 0; n < 15; n += 1) await pass(clock, 1_000);
  assert.equal(faceOf(list.store.value), 'rows');
});

test('an answer to an earlier question is none', async () => {
  const { hub, list } = await opened(3);
  hub.held = [];
  list.ask({ all: { status: 'delivered' } });
  const { held } = hub;
  hub.held = null;
  list.ask({ all: { status: 'pending' } });
  await settled();
  assert.deepEqual(shown(list), [3, 2, 1]);
  for (const release of held) release();
  await settled();
  assert.deepEqual(shown(list), [3, 2, 1]);
  const calls = hub.asked.length;
  list.ask({ all: { status: 'pending' } });
  assert.equal(hub.asked.length, calls);
});

test('nobody looks, nothing is asked', async () => {
  const { hub, clock, list } = await opened(3);
  list.close();
  hub.change(2, { status: 'confirmed' });
  await pass(clock, 10_000);
  assert.equal(hub.asked.length, 1);
  list.open();
  await settled();
  assert.equal(list.get(idOf(2)).status, 'confirmed');
});

test('rows that have no command of their own are read as their owner says', async () => {
  const { hub, clock, list } = await opened(0, {
    key: ({ phone }) => phone,
    subject: 'chat',
    read: async (phone) => (phone === '263' ? { phone, text: 'Hi' } : null),
  });
  const frame = { type: 'message_received', offset: 11, data: { version: 1 } };
  hub.emit('event', { ...frame, subject: 'chat/263' });
  hub.emit('event', { ...frame, subject: 'chat/264' });
  await pass(clock, 250);
  assert.deepEqual(list.store.value.rows, [{ phone: '263', text: 'Hi' }]);
});

// ── commands ────────────────────────────────────────────────────────────────────────────────

class Executor extends Emitter {
  status = { state: 'live' };
  calls = [];
  answers = [];

  async call(method, params, options) {
    this.calls.push([method, params, options]);
    const answer = this.answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  }

  become(state) {
    this.status = { state };
    this.emit('status', this.status);
  }
}

const closed = () => new HubError('it broke', { code: 'closed' });

test('a command whose connection broke is asked again under its key', async () => {
  const hub = new Executor();
  hub.answers = [closed(), closed(), { order: { id: 'o' } }];
  hub.become('waiting');
  const ran = new Commands(hub, new FakeClock()).run('orders.create', { a: 1 }, { ifMatch: 3 });
  await settled();
  hub.become('connecting');
  hub.become('live');
  await settled();
  hub.become('live');
  assert.deepEqual(await ran, { order: { id: 'o' } });
  const keys = new Set(hub.calls.map(([, , { key }]) => key));
  assert.equal(keys.size, 1);
  assert.equal(hub.calls.length, 3);
  assert.deepEqual(hub.calls[0].slice(0, 2), ['orders.create', { a: 1 }]);
  assert.equal(hub.calls[0][2].ifMatch, 3);
});

test('two commands have two keys', async () => {
  const hub = new Executor();
  const commands = new Commands(hub, new FakeClock());
  await Promise.all([commands.run('a', {}), commands.run('a', {})]);
  assert.notEqual(hub.calls[0][2].key, hub.calls[1][2].key);
});

test('a hub that cannot answer is asked again, a refusal is one', async () => {
  const hub = new Executor();
  const clock = new FakeClock();
  const refusal = new HubError('no', { code: 'conflict' });
  hub.answers = [new HubError('busy', { code: 'unavailable', retryAfter: 3 }), refusal];
  const ran = new Commands(hub, clock).run('a', {});
  const refused = assert.rejects(ran, refusal);
  await settled();
  clock.pass(2_900);
  await settled();
  assert.equal(hub.calls.length, 1);
  clock.pass(100);
  await refused;
  assert.equal(hub.calls.length, 2);
});

test('nobody waits for ever', async () => {
  const hub = new Executor();
  const clock = new FakeClock();
  hub.answers = [closed()];
  hub.become('waiting');
  const ran = assert.rejects(new Commands(hub, clock).run('orders.pay', {}), {
    code: 'unanswered',
  });
  await settled();
  clock.pass(60_000);
  await ran;
  hub.become('live');
  await settled();
  assert.equal(hub.calls.length, 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from '../../static/client/hub.js';
import { connected, event, FakeClock, fakeWebSocket, settled, subscribed } from './support.mjs';

function open(options = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSocket();
  const hub = new Hub({
    url: 'ws://hub.test/ws',
    follow: { last: 200 },
    WebSocket: FakeWebSocket,
    clock,
    random: () => 1,
    ...options,
  });
  const seen = { events: [], states: [], resets: 0, gaps: [], refusals: [] };
  hub.on('event', ({ offset }) => seen.events.push(offset));
  hub.on('status', ({ state }) => seen.states.push(state));
  hub.on('reset', () => (seen.resets += 1));
  hub.on('gap', (frame) => seen.gaps.push(frame.resume));
  hub.on('refused', (error) => seen.refusals.push(error.code));
  hub.start();
  return { hub, clock, sockets, seen };
}

function goLive(socket, offset, ...events) {
  const end = events.at(-1)?.offset ?? offset;
  socket.say(connected({ offset: end }), subscribed(offset), ...events, {
    type: 'live',
    offset: end,
  });
}

test('connects, replays, goes live', () => {
  const { hub, sockets, seen } = open();
  assert.deepEqual(sockets[0].query, { last: '200' });
  goLive(sockets[0], 0, event(1), event(2));
  assert.deepEqual(seen.states, ['connecting', 'catching-up', 'live']);
  assert.deepEqual(seen.events, [1, 2]);
  assert.equal(seen.resets, 1);
  assert.equal(hub.offset, 2);
});

test('across a lost connection every event comes once', () => {
  const { clock, sockets, seen } = open();
  goLive(sockets[0], 0, event(1), event(2));
  sockets[0].drop(1006);
  clock.pass(400);
  assert.deepEqual(sockets[1].query, { since: '2', epoch: 'e1' });
  goLive(sockets[1], 2, event(2), event(3), event(4));
  sockets[1].say(event(4), event(5));
  assert.deepEqual(seen.events, [1, 2, 3, 4, 5]);
  assert.equal(seen.resets, 1, 'a resumed list is the same list');
});

test('a dead socket that still speaks is not heard', () => {
  const { clock, sockets, seen } = open();
  goLive(sockets[0], 0, event(1));
  sockets[0].drop();
  clock.pass(400);
  sockets[0].say(event(2));
  assert.deepEqual(seen.events, [1]);
});

test('waits grow while the hub is away, and shrink after a stable connection', () => {
  const { hub, clock, sockets } = open({ backoff: { base: 100, cap: 10_000 } });
  const waits = [];
  function wait() {
    waits.push(hub.status.retryAt - clock.now());
    clock.pass(hub.status.retryAt - clock.now());
  }
  for (let attempt = 0; attempt < 3; attempt += 1) {
    sockets.at(-1).drop();
    wait();
  }
  goLive(sockets.at(-1), 0);
  sockets.at(-1).drop();
  wait();
  goLive(sockets.at(-1), 0);
  clock.pass(6_000);
  sockets.at(-1).drop();
  wait();
  assert.deepEqual(waits, [100, 200, 400, 800, 100]);
});

test('comes back within the range of `bye`, even when the close itself is lost', () => {
  const { hub, clock, sockets } = open();
  goLive(sockets[0], 0);
  sockets[0].say({ type: 'bye', code: 4200, reason: 'restart', reconnect: [1_000, 3_000] });
  sockets[0].drop(1006);
  assert.equal(hub.status.verdict.code, 4200);
  assert.equal(hub.status.retryAt - clock.now(), 3_000);
});

test('try now', () => {
  const { hub, clock, sockets } = open();
  sockets[0].drop();
  hub.retryNow();
  assert.equal(sockets.length, 2);
  clock.pass(5_000);
  assert.equal(sockets.length, 2, 'the wait is over');
});

for (const code of [1009, 4001, 4003]) {
  test(`does not come back after ${code}`, async () => {
    const { hub, clock, sockets } = open();
    goLive(sockets[0], 0);
    const published = hub.publish({ type: 'custom_x', data: {} });
    sockets[0].drop(code);
    await assert.rejects(published, { code: 'closed' });
    clock.pass(600_000);
    assert.equal(sockets.length, 1);
    assert.equal(hub.status.state, 'stopped');
    hub.start();
    assert.equal(sockets.length, 2, 'but it may be told to');
  });
}

test('a handshake that hangs is given up', () => {
  const { hub, clock, sockets } = open();
  clock.pass(10_000);
  assert.equal(hub.status.state, 'waiting');
  assert.equal(hub.status.greeted, false);
  assert.ok(sockets[0].closed);
});

test('a silent connection is asked, then given up, without waiting for its close', () => {
  const { hub, clock, sockets } = open();
  goLive(sockets[0], 0);
  clock.pass(35_000);
  assert.deepEqual(sockets[0].sent, [{ type: 'ping' }]);
  clock.pass(21_000);
  assert.equal(sockets.length, 2);
  assert.equal(hub.status.state, 'connecting');
});

test('another filter begins another list on the same connection', () => {
  const { hub, sockets, seen } = open();
  goLive(sockets[0], 0, event(8), event(9));
  hub.follow({ types: ['order_*'], last: 2 });
  assert.deepEqual(sockets[0].sent, [
    { type: 'subscribe', ref: 's1', types: ['order_*'], last: 2 },
  ]);
  sockets[0].say(subscribed(3, { ref: 's1' }), event(4), event(6), { type: 'live', offset: 9 });
  assert.deepEqual(seen.events, [8, 9, 4, 6]);
  assert.equal(seen.resets, 2);
  assert.deepEqual(seen.states.slice(-2), ['catching-up', 'live']);
  assert.equal(hub.offset, 9);
});

test('a filter chosen during the handshake is sent after it', () => {
  const { hub, sockets } = open();
  hub.follow({ types: ['order_*'], last: 2 });
  assert.deepEqual(sockets[0].sent, []);
  sockets[0].say(connected());
  assert.equal(sockets[0].sent[0].type, 'subscribe');
});

test('another merchant needs another connection', () => {
  const { hub, sockets, seen } = open();
  goLive(sockets[0], 0);
  hub.follow({ merchantId: 'm2', last: 200 });
  assert.ok(sockets[0].closed);
  assert.deepEqual(sockets[1].query, { merchant_id: 'm2', last: '200' });
  goLive(sockets[1], 0);
  assert.equal(seen.resets, 2);
});

test('a refused filter is reported, and the old one stays', () => {
  const { hub, sockets, seen } = open();
  goLive(sockets[0], 0);
  hub.follow({ types: ['x'], last: 2 });
  sockets[0].say({ type: 'error', ref: 's1', code: 'invalid_params', message: 'no' });
  assert.deepEqual(seen.refusals, ['invalid_params']);
  assert.equal(hub.wanted.types, undefined);
});

test('a gap is announced, and the stream goes on behind it', () => {
  const { clock, sockets, seen } = open();
  goLive(sockets[0], 0, event(1));
  sockets[0].drop();
  clock.pass(400);
  const gap = { type: 'gap', from: 2, to: 50, reason: 'retention', resume: 50 };
  sockets[1].say(connected(), subscribed(1, { recovered: false }), gap, event(51), {
    type: 'live',
    offset: 51,
  });
  assert.deepEqual(seen.gaps, [50]);
  assert.deepEqual(seen.events, [1, 51]);
});

test('publishes across a lost connection under one id', async () => {
  const { hub, clock, sockets } = open();
  goLive(sockets[0], 0);
  const published = hub.publish({ type: 'custom_x', data: {} });
  const [first] = sockets[0].sent;
  sockets[0].drop();
  clock.pass(400);
  sockets[1].say(connected());
  const [again] = sockets[1].sent;
  assert.equal(again.id, first.id);
  sockets[1].say({ type: 'ack', ref: again.ref, id: again.id, offset: 3, duplicate: true });
  assert.deepEqual(await published, { id: first.id, offset: 3, duplicate: true });
});

test('a token is asked anew for every attempt and sent as the first frame', async () => {
  let asked = 0;
  const { clock, sockets } = open({ token: async () => `t${(asked += 1)}` });
  sockets[0].onopen();
  await settled();
  assert.deepEqual(sockets[0].sent, [{ type: 'auth', token: 't1' }]);
  sockets[0].drop();
  clock.pass(400);
  sockets[1].onopen();
  await settled();
  assert.deepEqual(sockets[1].sent, [{ type: 'auth', token: 't2' }]);
});

test('a publisher that follows nothing is live when it is greeted', () => {
  const { sockets, seen } = open({ follow: null });
  assert.deepEqual(sockets[0].query, {});
  sockets[0].say(connected());
  assert.equal(seen.states.at(-1), 'live');
});

test('control frames of a newer hub are ignored', () => {
  const { sockets, seen } = open();
  goLive(sockets[0], 0);
  sockets[0].say({ type: 'reply', ref: 'r' }, { type: 'weather', sky: 'blue' }, event(1));
  assert.deepEqual(seen.events, [1]);
});

test('stop ends it for good', async () => {
  const { hub, clock, sockets } = open();
  const published = hub.publish({ type: 'custom_x', data: {} });
  hub.stop();
  await assert.rejects(published, { code: 'closed' });
  clock.pass(600_000);
  assert.equal(sockets.length, 1);
  assert.ok(sockets[0].closed);
});

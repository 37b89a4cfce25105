import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from '../../static/client/hub.js';
import { Stream } from '../../static/state/stream.js';
import { connected, event, FakeClock, fakeWebSocket, subscribed } from './support.mjs';

const EVERYTHING = { types: [], merchantId: null };

function open(scope = EVERYTHING) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSocket();
  const hub = new Hub({ url: 'ws://hub.test/ws', follow: null, WebSocket: FakeWebSocket, clock });
  const stream = new Stream(hub, scope);
  hub.start();
  return { hub, stream, clock, sockets, socket: sockets[0] };
}

function goLive(socket, ...events) {
  const end = events.at(-1)?.offset ?? 0;
  socket.say(connected({ offset: end }), subscribed(0), ...events, { type: 'live', offset: end });
}

function offsets({ view }) {
  return Array.from({ length: view.size }, (_, index) => view.newest(index).frame.offset);
}

test('asks for the last events of what its address names', () => {
  const { socket } = open({ types: ['order_*'], merchantId: 'm1' });
  assert.deepEqual(socket.query, { types: 'order_*', merchant_id: 'm1', last: '200' });
});

test('is loading until it is live', () => {
  const { stream, socket } = open();
  assert.equal(stream.loading, true);
  goLive(socket, event(1), event(2));
  assert.equal(stream.loading, false);
  assert.deepEqual(offsets(stream), [2, 1]);
});

test('paused, it shows what it showed and counts what came', () => {
  const { stream, socket } = open();
  goLive(socket, event(1));
  stream.pause(true);
  socket.say(event(2), event(3));
  assert.deepEqual(offsets(stream), [1]);
  assert.equal(stream.unseen, 2);
  stream.pause(false);
  assert.deepEqual(offsets(stream), [3, 2, 1]);
  assert.equal(stream.unseen, 0);
});

test('reading holds it too, and a release ends both', () => {
  const { stream, socket } = open();
  goLive(socket, event(1));
  stream.read(true);
  socket.say(event(2));
  stream.pause(true);
  stream.read(false);
  assert.deepEqual(offsets(stream), [1], 'still paused');
  stream.read(true);
  stream.release();
  assert.deepEqual(offsets(stream), [2, 1]);
});

test('what is held survives more new events than the buffer takes', () => {
  const { stream, socket } = open();
  goLive(socket, event(1), event(2));
  stream.pause(true);
  for (let offset = 3; offset < 6_000; offset += 1) socket.say(event(offset));
  assert.deepEqual(offsets(stream), [2, 1]);
  assert.equal(stream.log.size, 5_000);
  assert.equal(stream.unseen, 5_997);
});

test('a reconnect goes on with the same list', () => {
  const { stream, clock, sockets, socket } = open();
  goLive(socket, event(1), event(2));
  socket.drop();
  clock.pass(1_000);
  sockets[1].say(connected(), subscribed(2), event(3), { type: 'live', offset: 3 });
  assert.deepEqual(offsets(stream), [3, 2, 1]);
});

test('another filter builds the list anew', () => {
  const { stream, socket } = open();
  goLive(socket, event(1), event(2, 'order_created'));
  stream.filter({ types: ['order_*'], merchantId: null });
  assert.deepEqual(offsets(stream), [2, 1], 'the old list stays until the new one begins');
  socket.say(subscribed(1, { ref: 's2' }));
  assert.deepEqual(offsets(stream), []);
  assert.equal(stream.loading, true);
  socket.say(event(2, 'order_created'), { type: 'live', offset: 2 });
  assert.deepEqual(offsets(stream), [2]);
});

test('the same filter again asks for nothing', () => {
  const { stream, socket } = open({ types: ['order_*'], merchantId: null });
  goLive(socket);
  stream.filter({ types: ['order_*'], merchantId: null });
  assert.deepEqual(socket.sent, []);
});

test('a paused stream stays paused with another filter', () => {
  const { stream, socket } = open();
  goLive(socket, event(1));
  stream.pause(true);
  stream.filter({ types: ['custom_*'], merchantId: null });
  socket.say(subscribed(0, { ref: 's2' }), event(1), { type: 'live', offset: 1 }, event(2));
  assert.deepEqual(offsets(stream), [1]);
  assert.equal(stream.unseen, 1);
});

test('a refused filter is taken back and reported', () => {
  const { stream, socket } = open({ types: ['order_*'], merchantId: null });
  goLive(socket);
  const problems = [];
  stream.on('problem', ({ code }) => problems.push(code));
  stream.filter({ types: ['x'], merchantId: null });
  socket.say({ type: 'error', ref: 's2', code: 'invalid_params', message: 'no' });
  assert.deepEqual(problems, ['invalid_params']);
  assert.deepEqual(stream.types, ['order_*']);
});

test('a gap is a row of the list', () => {
  const { stream, socket } = open();
  goLive(socket, event(1));
  socket.say({ type: 'gap', from: 2, to: 9, reason: 'retention', resume: 9 }, event(10));
  assert.deepEqual(offsets(stream), [10, undefined, 1]);
  assert.equal(stream.view.newest(1).kind, 'gap');
});

test('after a reset of the log the old rows stay, and the new log is read from its end back', () => {
  const { stream, clock, sockets, socket } = open();
  goLive(socket, event(900));
  socket.drop();
  clock.pass(1_000);
  const again = sockets[1];
  again.say(
    connected({ epoch: 'e2', offset: 3 }),
    subscribed(3, { epoch: 'e2', recovered: false }),
    { type: 'gap', from: null, to: null, reason: 'epoch', resume: 3 },
    { type: 'live', offset: 3 },
    event(4),
  );
  assert.equal(again.sent.at(-1).last, 200);
  const fields = { ref: again.sent.at(-1).ref, epoch: 'e2' };
  again.say(subscribed(2, fields), event(3), event(4), { type: 'live', offset: 4 });
  assert.deepEqual(offsets(stream), [4, 3, undefined, 900]);
});

test('the types seen are counted, and bounded', () => {
  const { stream, socket } = open();
  goLive(socket, event(1), event(2), event(3, 'order_created'));
  assert.deepEqual(
    [...stream.seen],
    [
      ['custom_test', 2],
      ['order_created', 1],
    ],
  );
  for (let offset = 4; offset < 1_000; offset += 1) socket.say(event(offset, `custom_${offset}`));
  assert.equal(stream.seen.size, 200);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from '../../static/client/hub.js';
import { HubError, sentenceOf } from '../../static/client/errors.js';
import { connected, FakeClock, fakeWebSocket } from './support.mjs';

function open() {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSocket();
  const hub = new Hub({
    url: 'ws://hub.test/ws',
    follow: null,
    WebSocket: FakeWebSocket,
    clock,
    random: () => 1,
  });
  hub.start();
  return { hub, clock, sockets };
}

function greeted() {
  const opened = open();
  opened.sockets[0].say(connected());
  return opened;
}

function reply(ref, result) {
  return { type: 'reply', ref, result, epoch: 'e1', offset: 7 };
}

test('a call goes out by its name and comes back with its result', async () => {
  const { hub, sockets } = greeted();
  const called = hub.call('sessions.list', { limit: 2 });
  const [frame] = sockets[0].sent;
  assert.deepEqual(frame, {
    type: 'call',
    ref: frame.ref,
    method: 'sessions.list',
    params: { limit: 2 },
  });
  assert.ok(frame.ref.length <= 64);
  sockets[0].say(reply(frame.ref, { sessions: [] }));
  assert.deepEqual(await called, { sessions: [] });
});

test('a key and a version stand beside the params', async () => {
  const { hub, sockets } = greeted();
  const asked = hub.ask('orders.set_status', { id: 'o' }, { key: 'k-1', ifMatch: 3 });
  const [frame] = sockets[0].sent;
  assert.equal(frame.key, 'k-1');
  assert.equal(frame.if_match, '"3"');
  assert.deepEqual(frame.params, { id: 'o' });
  sockets[0].say(reply(frame.ref, { order: {} }));
  assert.deepEqual(await asked, { result: { order: {} }, epoch: 'e1', offset: 7 });
});

test('answers find their calls in whatever order they come', async () => {
  const { hub, sockets } = greeted();
  const calls = [hub.call('a'), hub.call('b'), hub.call('c')];
  const refs = sockets[0].sent.map(({ ref }) => ref);
  sockets[0].say(reply(refs[2], 3), reply(refs[0], 1), reply(refs[1], 2));
  assert.deepEqual(await Promise.all(calls), [1, 2, 3]);
});

test('a refusal names the code, the fields and the wait', async () => {
  const { hub, sockets } = greeted();
  const called = hub.call('sessions.list');
  const errors = [{ pointer: '/limit', message: 'is too large' }];
  const fields = { code: 'rate_limited', message: 'Too many.', retry_after: 1.5, errors };
  sockets[0].say({ type: 'error', ref: sockets[0].sent[0].ref, ...fields });
  await assert.rejects(called, {
    name: 'HubError',
    code: 'rate_limited',
    message: 'Too many.',
    retryAfter: 1.5,
    errors,
  });
});

test('a connection that breaks refuses what it carried, once', async () => {
  const { hub, clock, sockets } = greeted();
  const called = hub.call('sessions.disconnect', { id: 's' });
  const { ref } = sockets[0].sent[0];
  sockets[0].drop();
  await assert.rejects(called, { code: 'closed' });
  clock.pass(400);
  sockets[1].say(connected(), reply(ref, 'late'));
  assert.deepEqual(sockets[1].sent, [], 'it is not repeated');
});

test('without a connection a call is refused at once', async () => {
  const { hub, clock, sockets } = open();
  await assert.rejects(hub.call('health.show'), { code: 'closed' });
  sockets[0].say(connected());
  sockets[0].drop();
  await assert.rejects(hub.call('health.show'), { code: 'closed' });
  clock.pass(400);
  sockets[1].say(connected());
  const called = hub.call('health.show');
  sockets[1].say(reply(sockets[1].sent[0].ref, 'well'));
  assert.equal(await called, 'well');
});

test('a listener of the status may call as soon as the connection stands', async () => {
  const { hub, sockets } = open();
  const states = [];
  hub.on('status', ({ state }) => {
    if (state !== 'connecting') states.push(hub.call('health.show').catch(({ code }) => code));
  });
  sockets[0].say(connected());
  for (const { ref } of sockets[0].sent) sockets[0].say(reply(ref, 'well'));
  assert.deepEqual(await Promise.all(states), ['well', 'well']);
});

test('an answer may take ten seconds, and one that comes later is nobody’s', async () => {
  const { hub, clock, sockets } = greeted();
  const called = hub.call('health.show');
  clock.pass(9_999);
  clock.pass(1);
  await assert.rejects(called, { code: 'timeout', message: /health\.show within 10 s/ });
  sockets[0].say(reply(sockets[0].sent[0].ref, 'late'));
  assert.equal(hub.status.state, 'live');
});

test('stop refuses what is under way', async () => {
  const { hub } = greeted();
  const called = hub.call('health.show');
  hub.stop();
  await assert.rejects(called, { code: 'closed' });
});

test('a limit is told with its wait, rounded up', () => {
  function told(retryAfter, fields = { code: 'rate_limited' }) {
    return sentenceOf(new HubError('Too many.', { ...fields, retryAfter }));
  }
  assert.match(told(0.2), / in 1 s\.$/);
  assert.match(told(12.1), / in 13 s\.$/);
  assert.match(told(601, { status: 429 }), / in 11 min\.$/);
  assert.match(told(null), / in a moment\.$/);
  assert.equal(sentenceOf(new HubError('No such thing.', { code: 'not_found' })), 'No such thing.');
});

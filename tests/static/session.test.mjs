import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import { HubError } from '../../static/client/errors.js';
import { verdictOf } from '../../static/client/codes.js';
import { watchConnection } from '../../static/state/connection.js';
import { Merchants } from '../../static/state/merchants.js';
import { SAMPLE_TYPES, sampleData } from '../../static/state/samples.js';
import { Session } from '../../static/state/session.js';
import { FakeClock, settled } from './support.mjs';

const SIGNED_IN = {
  success: true,
  session: {
    role: 'admin',
    merchant_id: null,
    name: 'bootstrap',
    expires_at: '2026-12-01T00:00:00.000Z',
  },
  example: 'curl …',
};

/** A REST door that answers by `answers['METHOD path']`, or refuses with the error found there. */
function door(answers) {
  const calls = [];
  function call(method) {
    return async (path, body) => {
      calls.push([method, path, body]);
      const answer = answers[`${method} ${path}`];
      if (answer instanceof Error) throw answer;
      return answer;
    };
  }
  return { calls, get: call('GET'), post: call('POST'), delete: call('DELETE') };
}

const unauthenticated = new HubError('Nobody is signed in.', {
  code: 'unauthenticated',
  status: 401,
});
const used = new HubError('This link was used.', { code: 'unauthenticated', status: 401 });
const away = new HubError('The hub cannot be reached.', { code: 'unreachable' });

test('a ticket signs in', async () => {
  const rest = door({ 'POST /api/session': SIGNED_IN });
  const session = new Session(rest);
  await session.redeem('t-1');
  assert.deepEqual(rest.calls, [['POST', '/api/session', { ticket: 't-1' }]]);
  assert.equal(session.store.value.status, 'in');
  assert.equal(session.store.value.example, 'curl …');
});

test('a used ticket is forgiven while the cookie holds', async () => {
  const session = new Session(door({ 'POST /api/session': used, 'GET /api/session': SIGNED_IN }));
  await session.redeem('t-1');
  assert.equal(session.store.value.status, 'in');
});

test('a used ticket without a cookie says why', async () => {
  const session = new Session(
    door({ 'POST /api/session': used, 'GET /api/session': unauthenticated }),
  );
  await session.redeem('t-1');
  assert.equal(session.store.value.status, 'out');
  assert.equal(session.store.value.message, 'This link was used.');
});

test('who comes without anything is asked to sign in, without a reproach', async () => {
  const session = new Session(door({ 'GET /api/session': unauthenticated }));
  await session.load();
  assert.deepEqual([session.store.value.status, session.store.value.message], ['out', '']);
});

test('a wrong key is thrown to the form', async () => {
  const session = new Session(door({ 'POST /api/session': unauthenticated }));
  await assert.rejects(session.enter('hub_x'), { status: 401 });
  assert.equal(session.store.value.status, 'unknown');
});

test('only the hub itself can say that a session has ended', async () => {
  assert.equal(await new Session(door({ 'GET /api/session': SIGNED_IN })).holds(), true);
  assert.equal(await new Session(door({ 'GET /api/session': away })).holds(), true);
  assert.equal(await new Session(door({ 'GET /api/session': unauthenticated })).holds(), false);
});

function connection(answers = { 'GET /api/session': SIGNED_IN }) {
  const session = new Session(door(answers));
  const hub = new Emitter();
  const clock = new FakeClock();
  return { session, hub, clock, store: watchConnection(hub, session, clock) };
}

function status(state, fields = {}) {
  return { state, retryAt: null, greeted: false, verdict: null, ...fields };
}

test('a connection refused for its credentials signs out', () => {
  const { session, hub } = connection();
  hub.emit('status', status('stopped', { verdict: verdictOf(4001) }));
  assert.equal(session.store.value.status, 'out');
});

test('another refusal is shown and signs nobody out', () => {
  const { session, hub, store } = connection();
  hub.emit('status', status('stopped', { verdict: verdictOf(4003) }));
  assert.equal(session.store.value.status, 'unknown');
  assert.match(store.value.message, /do not allow/);
});

test('a failed handshake is looked into', async () => {
  const { session, hub } = connection({ 'GET /api/session': unauthenticated });
  hub.emit('status', status('waiting', { verdict: verdictOf(1006) }));
  await settled();
  assert.equal(session.store.value.status, 'out');
});

test('so is a handshake that takes long, and not one that is done', async () => {
  const { session, hub, clock } = connection({ 'GET /api/session': unauthenticated });
  hub.emit('status', status('connecting'));
  clock.pass(1_000);
  hub.emit('status', status('catching-up', { greeted: true }));
  clock.pass(10_000);
  await settled();
  assert.equal(session.store.value.status, 'unknown');
  hub.emit('status', status('connecting'));
  clock.pass(2_000);
  await settled();
  assert.equal(session.store.value.status, 'out');
});

test('a hub that is away is not', async () => {
  const { session, hub, store } = connection({ 'GET /api/session': away });
  hub.emit('status', status('waiting', { retryAt: 5, verdict: verdictOf(1006) }));
  await settled();
  assert.equal(session.store.value.status, 'unknown');
  assert.deepEqual([store.value.state, store.value.retryAt], ['waiting', 5]);
});

test('merchants have names, from as many pages as there are, and unknown ones their id', async () => {
  const first = { merchants: [{ id: 'm1', name: 'demo' }], next: 'm1' };
  const second = { merchants: [{ id: 'm2', name: 'Chino' }], next: null };
  const answers = {
    'GET /api/merchants?limit=1000&after=': first,
    'GET /api/merchants?limit=1000&after=m1': second,
  };
  const merchants = new Merchants(door(answers));
  await merchants.load();
  const names = ['m1', 'm2', 'm9', null].map((id) => merchants.name(id));
  assert.deepEqual(names, ['demo', 'Chino', 'm9', '']);
});

test('a merchant that was made meanwhile is asked for, once', async () => {
  const empty = { merchants: [], next: null };
  const rest = door({ 'GET /api/merchants?limit=1000&after=': empty });
  const merchants = new Merchants(rest);
  merchants.meet('m1');
  assert.equal(rest.calls.length, 0, 'the first load is still to come');
  await merchants.load();
  merchants.meet('m1');
  merchants.meet('m1');
  await settled();
  assert.equal(rest.calls.length, 2);
});

test('merchants that cannot be read leave a reason', async () => {
  const merchants = new Merchants(door({ 'GET /api/merchants?limit=1000&after=': away }));
  await merchants.load();
  assert.equal(merchants.store.value.problem, away.message);
});

test('there is a sample for the ten core types, and one for all others', () => {
  assert.equal(SAMPLE_TYPES.length, 11);
  for (const type of SAMPLE_TYPES) assert.ok(Object.keys(sampleData(type)).length > 0, type);
  assert.deepEqual(sampleData('custom_other'), sampleData('custom_test'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import { HubError } from '../../static/client/errors.js';
import { verdictOf } from '../../static/client/codes.js';
import { watchConnection } from '../../static/state/connection.js';
import { Merchants } from '../../static/state/merchants.js';
import { storedMark } from '../../static/state/preferences.js';
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

test('a limit is told in words, and asking again may help', async () => {
  const limited = new HubError('Too many.', { code: 'rate_limited', status: 429, retryAfter: 30 });
  const session = new Session(door({ 'GET /api/session': limited }));
  await session.load();
  const { status, message, unsure } = session.store.value;
  assert.deepEqual([status, unsure], ['out', true]);
  assert.match(message, /in 30 s/);
});

/** Someone signed in, in a browser that remembers an unheard sign-out. */
async function signedIn(answers) {
  const rest = door({ 'GET /api/session': SIGNED_IN, ...answers });
  const clock = new FakeClock();
  const farewell = storedMark(fakeStorage(), 'mark');
  const session = new Session(rest, { farewell, clock });
  await session.load();
  rest.calls.length = 0;
  return { session, rest, answers, clock, farewell };
}

function fakeStorage() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
}

test('a sign-out ends the session here and at the hub', async () => {
  const { session, rest, farewell } = await signedIn({ 'DELETE /api/session': {} });
  const leaving = session.signOut();
  assert.equal(session.store.value.status, 'out', 'at once');
  await leaving;
  assert.deepEqual(rest.calls, [['DELETE', '/api/session', undefined]]);
  const { message, calm } = session.store.value;
  assert.deepEqual([message, calm, farewell.set], ['You have signed out.', true, false]);
});

test('a session that has ended already is signed out of as well', async () => {
  const { session } = await signedIn({ 'DELETE /api/session': unauthenticated });
  await session.signOut();
  assert.equal(session.store.value.message, 'You have signed out.');
});

test('a sign-out that the hub refuses is no calm matter, and is not repeated', async () => {
  const forbidden = new HubError('Foreign origin.', { code: 'forbidden', status: 403 });
  const { session, clock, rest } = await signedIn({ 'DELETE /api/session': forbidden });
  await session.signOut();
  clock.pass(600_000);
  const { status, message, calm } = session.store.value;
  assert.deepEqual([status, calm, rest.calls.length], ['out', false, 1]);
  assert.match(message, /not ended the session: Foreign origin\.$/);
});

test('a sign-out that the hub does not hear says so, and is said again until it does', async () => {
  const answers = { 'DELETE /api/session': away };
  const rest = door(answers);
  const clock = new FakeClock();
  const farewell = storedMark(fakeStorage(), 'mark');
  const session = new Session(rest, { farewell, clock });
  await session.signOut();
  assert.match(session.store.value.message, /could not be told/);
  assert.equal(farewell.set, true);
  answers['DELETE /api/session'] = {};
  clock.pass(15_000);
  await settled();
  assert.equal(session.store.value.message, 'You have signed out.');
  assert.equal(farewell.set, false);
  clock.pass(600_000);
  assert.equal(rest.calls.length, 2);
});

test('the next page says what the last one could not', async () => {
  const farewell = { set: true };
  const rest = door({ 'GET /api/session': SIGNED_IN, 'DELETE /api/session': {} });
  const session = new Session(rest, { farewell });
  await session.load();
  assert.equal(session.store.value.status, 'out');
  assert.deepEqual(rest.calls, [['DELETE', '/api/session', undefined]]);
});

test('who signs in anew is not signed out by what was not heard before', async () => {
  const answers = { 'DELETE /api/session': away, 'POST /api/session': SIGNED_IN };
  const { session, rest, clock, farewell } = await signedIn(answers);
  await session.signOut();
  await session.enter('hub_x');
  clock.pass(600_000);
  await settled();
  assert.equal(session.store.value.status, 'in');
  assert.equal(farewell.set, false);
  assert.deepEqual(
    rest.calls.map(([method]) => method),
    ['DELETE', 'POST'],
  );
});

test('nor is who signs in anew on another page', async () => {
  const { session, rest, clock, farewell } = await signedIn({ 'DELETE /api/session': away });
  await session.signOut();
  farewell.set = false;
  clock.pass(600_000);
  assert.equal(rest.calls.length, 1);
  assert.equal(session.store.value.message, 'You have signed out.');
});

test('a key that is refused leaves the sign-out to be said', async () => {
  const answers = { 'DELETE /api/session': away, 'POST /api/session': unauthenticated };
  const { session, rest, clock } = await signedIn(answers);
  await session.signOut();
  await assert.rejects(session.enter('hub_x'));
  clock.pass(15_000);
  await settled();
  assert.equal(rest.calls.at(-1)[0], 'DELETE');
});

test('a browser that forbids storage remembers for the page', () => {
  const forbidding = {
    getItem() {
      throw new Error('denied');
    },
    setItem() {
      throw new Error('denied');
    },
  };
  for (const storage of [null, forbidding]) {
    const mark = storedMark(storage, 'mark');
    assert.equal(mark.set, false);
    mark.set = true;
    assert.equal(mark.set, true);
  }
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
  hub.emit('status', status('stopped', { verdict: verdictOf(4001, 'the key was revoked') }));
  assert.equal(session.store.value.status, 'out');
  assert.equal(session.store.value.message, 'Your session has ended: the key was revoked.');
});

test('a connection that an operator removed signs nobody out', () => {
  const { session, hub, store } = connection();
  hub.emit('status', status('stopped', { verdict: verdictOf(4004) }));
  assert.equal(session.store.value.status, 'unknown');
  assert.match(store.value.message, /operator/);
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

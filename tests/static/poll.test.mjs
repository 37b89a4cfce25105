import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError } from '../../static/client/errors.js';
import { Poll } from '../../static/state/poll.js';
import { FakeClock, settled } from './support.mjs';

/** A poll whose readings end when the test says so. */
function open(options = {}) {
  const clock = new FakeClock();
  const readings = [];
  const poll = new Poll({
    read: () => new Promise((resolve, reject) => readings.push({ resolve, reject })),
    clock,
    ...options,
  });
  async function answer(value) {
    readings.at(-1).resolve(value);
    await settled();
  }
  async function refuse(error) {
    readings.at(-1).reject(error);
    await settled();
  }
  return { poll, clock, readings, answer, refuse };
}

test('reads at once, and again two seconds after the answer', async () => {
  const { poll, clock, readings, answer } = open();
  poll.run(true);
  assert.equal(readings.length, 1);
  clock.pass(5_000);
  assert.equal(readings.length, 1, 'one at a time');
  await answer('a');
  assert.deepEqual(poll.store.value, { value: 'a', at: clock.now(), problem: '' });
  clock.pass(1_999);
  assert.equal(readings.length, 1);
  clock.pass(1);
  assert.equal(readings.length, 2);
});

test('rests while nobody looks, keeps what was read, and then reads at once', async () => {
  const { poll, clock, readings, answer } = open();
  poll.run(true);
  await answer('a');
  poll.run(false);
  clock.pass(60_000);
  assert.equal(readings.length, 1);
  assert.equal(poll.store.value.value, 'a');
  poll.run(true);
  assert.equal(readings.length, 2);
});

test('who asks during a reading gets another after it', async () => {
  const { poll, readings, answer } = open();
  poll.run(true);
  poll.refresh();
  poll.refresh();
  assert.equal(readings.length, 1);
  await answer('before');
  assert.equal(readings.length, 2);
  await answer('after');
  assert.equal(poll.store.value.value, 'after');
  assert.equal(readings.length, 2);
});

test('a refusal is told, and what was read before stays', async () => {
  const { poll, clock, readings, answer, refuse } = open();
  poll.run(true);
  await answer('a');
  clock.pass(2_000);
  await refuse(new HubError('The database does not answer.', { code: 'unavailable' }));
  assert.equal(poll.store.value.value, 'a');
  assert.equal(poll.store.value.problem, 'The database does not answer.');
  clock.pass(2_000);
  assert.equal(readings.length, 3);
  await answer('b');
  assert.equal(poll.store.value.problem, '');
});

test('a limit is waited for, also by who asks for a fresh reading', async () => {
  const { poll, clock, readings, refuse } = open();
  poll.run(true);
  poll.refresh();
  await refuse(new HubError('Too many.', { code: 'rate_limited', retryAfter: 7 }));
  assert.match(poll.store.value.problem, /in 7 s/);
  clock.pass(6_999);
  assert.equal(readings.length, 1);
  clock.pass(1);
  assert.equal(readings.length, 2);
});

test('a lost connection is no problem of its own', async () => {
  const { poll, answer, clock, refuse } = open();
  poll.run(true);
  await answer('a');
  clock.pass(2_000);
  await refuse(new HubError('The connection broke.', { code: 'closed' }));
  assert.deepEqual([poll.store.value.value, poll.store.value.problem], ['a', '']);
});

test('the answer to an old question is dropped', async () => {
  const { poll, readings, answer } = open();
  poll.run(true);
  await answer('old');
  poll.refresh();
  poll.forget();
  assert.equal(poll.store.value.value, null);
  await answer('old again');
  assert.equal(poll.store.value.value, null);
  assert.equal(readings.length, 3);
  await answer('new');
  assert.equal(poll.store.value.value, 'new');
});

test('the pace may change', async () => {
  let every = 2_000;
  const { poll, clock, readings, answer } = open({ every: () => every });
  every = 6_000;
  poll.run(true);
  await answer('a');
  clock.pass(5_999);
  assert.equal(readings.length, 1);
  clock.pass(1);
  assert.equal(readings.length, 2);
});

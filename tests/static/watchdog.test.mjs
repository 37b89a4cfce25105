import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Watchdog } from '../../static/client/watchdog.js';
import { FakeClock } from './support.mjs';

function watchdog() {
  const clock = new FakeClock();
  const said = [];
  const dog = new Watchdog({
    clock,
    ask: () => said.push('ask'),
    giveUp: () => said.push('give up'),
  });
  dog.start(20);
  return { clock, said, dog };
}

test('keeps quiet while something is heard', () => {
  const { clock, said, dog } = watchdog();
  for (let beat = 0; beat < 10; beat += 1) {
    clock.pass(20_000);
    dog.heard();
  }
  assert.deepEqual(said, []);
});

test('asks after one and a half heartbeats, and gives up one later', () => {
  const { clock, said } = watchdog();
  clock.pass(29_000);
  assert.deepEqual(said, []);
  clock.pass(6_000);
  assert.deepEqual(said, ['ask']);
  clock.pass(30_000);
  assert.deepEqual(said, ['ask', 'give up']);
});

test('an answer clears the doubt', () => {
  const { clock, said, dog } = watchdog();
  clock.pass(35_000);
  dog.heard();
  clock.pass(25_000);
  assert.deepEqual(said, ['ask']);
});

test('stops with its connection', () => {
  const { clock, said, dog } = watchdog();
  dog.stop();
  clock.pass(500_000);
  assert.deepEqual(said, []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, between } from '../../static/client/backoff.js';

test('waits lie between nothing and a ceiling that doubles up to the cap', () => {
  const backoff = new Backoff({ base: 100, cap: 1_000 });
  const ceilings = [100, 200, 400, 800, 1_000, 1_000];
  for (const ceiling of ceilings) {
    assert.equal(backoff.ceiling, ceiling);
    const delay = backoff.next();
    assert.ok(delay >= 0 && delay <= ceiling, `${delay} of ${ceiling}`);
  }
});

test('the jitter is full: both ends of the interval are reached', () => {
  assert.equal(new Backoff({ base: 100, random: () => 0 }).next(), 0);
  assert.equal(new Backoff({ base: 100, random: () => 1 }).next(), 100);
});

test('many waits are spread evenly', () => {
  const delays = Array.from({ length: 4_000 }, () => new Backoff({ base: 1_000 }).next());
  const early = delays.filter((delay) => delay < 250).length / delays.length;
  assert.ok(early > 0.2 && early < 0.3, `${early}`);
});

test('thousands of failures overflow into nothing but the cap', () => {
  const backoff = new Backoff({ base: 100, cap: 5_000, random: () => 1 });
  for (let attempt = 0; attempt < 5_000; attempt += 1) backoff.next();
  assert.equal(backoff.next(), 5_000);
});

test('a reset begins anew', () => {
  const backoff = new Backoff({ base: 100, random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test('between keeps to its range', () => {
  assert.equal(
    between(100, 300, () => 0),
    100,
  );
  assert.equal(
    between(100, 300, () => 1),
    300,
  );
  assert.equal(
    between(300, 100, () => 1),
    300,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uuid7 } from '../../static/client/ids.js';
import { parsePatterns } from '../../static/client/patterns.js';

test('what a person types becomes patterns', () => {
  const typed = {
    'order_*': ['order_*'],
    order_created: ['order_created'],
    order_: ['order_*'],
    order: ['order*'],
    'order_*, payment_received  custom_a.b-C': ['order_*', 'payment_received', 'custom_a.b-C'],
    'order_*,order_*': ['order_*'],
    '*': ['*'],
    '': [],
  };
  for (const [text, patterns] of Object.entries(typed)) {
    assert.deepEqual(parsePatterns(text), { patterns, problem: null }, text);
  }
});

test('what the hub would refuse is refused with a sentence', () => {
  for (const text of ['or*der', '*_created', 'order_$', 'order_**', '_x']) {
    assert.match(parsePatterns(text).problem, /is not a type or a prefix/, text);
  }
  const many = Array.from({ length: 33 }, (_, index) => `custom_${index}`).join();
  assert.match(parsePatterns(many).problem, /At most 32/);
});

test('ids are UUIDs of version 7 that sort by time', () => {
  const ids = [1, 2, 3].map((second) => uuid7(1_700_000_000_000 + second * 1_000));
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(Number.parseInt(ids[0].replaceAll('-', '').slice(0, 12), 16), 1_700_000_001_000);
  assert.notEqual(uuid7(5), uuid7(5));
});

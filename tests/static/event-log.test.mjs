import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../static/state/event-log.js';

function offsets(view) {
  return Array.from({ length: view.size }, (_, index) => view.newest(index).frame.offset);
}

function log(capacity, ...values) {
  const made = new EventLog(capacity);
  for (const offset of values) made.push('event', { offset });
  return made;
}

test('is read newest first', () => {
  assert.deepEqual(offsets(log(5, 1, 2, 3)), [3, 2, 1]);
});

test('keeps no more than its capacity', () => {
  const events = log(3, 1, 2, 3, 4, 5, 6, 7);
  assert.deepEqual(offsets(events), [7, 6, 5]);
  assert.equal(events.size, 3);
  assert.equal(events.total, 7);
});

test('a sequence number tells the place, and is never used twice', () => {
  const events = log(4, 1, 2, 3, 4, 5, 6);
  const before = events.newest(0).seq;
  assert.equal(events.total - 1 - before, 0);
  events.clear();
  assert.equal(events.size, 0);
  for (const offset of [10, 11, 12, 13, 14]) {
    events.push('event', { offset });
    assert.ok(events.newest(0).seq > before);
    assert.equal(events.newest(0).seq, events.total - 1);
  }
  assert.deepEqual(offsets(events), [14, 13, 12, 11]);
});

test('a snapshot does not move', () => {
  const events = log(3, 1, 2, 3);
  const held = events.snapshot();
  for (const offset of [4, 5, 6, 7]) events.push('event', { offset });
  assert.deepEqual(offsets(held), [3, 2, 1]);
  assert.equal(events.total - held.total, 4);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../static/client/outbox.js';
import { FakeClock, settled } from './support.mjs';

const LIMITS = { message: 1_024, data: 512, in_flight: 3 };

function outbox(options = {}) {
  const sent = [];
  const clock = new FakeClock();
  const box = new Outbox({
    send: (text) => sent.push(JSON.parse(text)),
    clock,
    random: () => 1,
    ...options,
  });
  return { box, sent, clock };
}

function note(text) {
  return { type: 'custom_note', data: { text } };
}

function texts(sent) {
  return sent.map(({ data }) => data.text);
}

function acknowledge(box, frame, offset) {
  return box.ack({ type: 'ack', ref: frame.ref, id: frame.id, offset, duplicate: false });
}

function refuse(box, frame, code, fields = {}) {
  return box.error({
    type: 'error',
    ref: frame.ref,
    id: frame.id,
    code,
    message: 'no',
    ...fields,
  });
}

test('waits for a connection, then sends in order and resolves with the offset', async () => {
  const { box, sent } = outbox();
  const first = box.add(note('a'));
  box.add(note('b'));
  assert.equal(sent.length, 0);
  box.opened(LIMITS);
  assert.deepEqual(texts(sent), ['a', 'b']);
  acknowledge(box, sent[0], 7);
  assert.deepEqual(await first, { id: sent[0].id, offset: 7, duplicate: false });
  assert.equal(box.size, 1);
});

test('what has no answer goes out again under the same id', () => {
  const { box, sent } = outbox();
  box.opened(LIMITS);
  box.add(note('a'));
  box.add(note('b'));
  acknowledge(box, sent[0], 1);
  box.closed();
  box.add(note('c'));
  box.opened(LIMITS);
  assert.deepEqual(texts(sent), ['a', 'b', 'b', 'c']);
  assert.equal(sent[2].id, sent[1].id);
});

test('no more are in flight than the hub allows', () => {
  const { box, sent } = outbox();
  box.opened(LIMITS);
  for (const text of 'abcde') box.add(note(text));
  assert.deepEqual(texts(sent), ['a', 'b', 'c']);
  acknowledge(box, sent[0], 1);
  assert.deepEqual(texts(sent), ['a', 'b', 'c', 'd']);
});

test('`unavailable` is sent again later, and what came behind it keeps its place', () => {
  const { box, sent, clock } = outbox();
  box.opened(LIMITS);
  box.add(note('a'));
  box.add(note('b'));
  refuse(box, sent[0], 'unavailable');
  refuse(box, sent[1], 'unavailable');
  box.add(note('c'));
  assert.equal(sent.length, 2);
  clock.pass(500);
  assert.deepEqual(texts(sent), ['a', 'b', 'a', 'b', 'c']);
  assert.equal(sent[2].id, sent[0].id);
});

test('`retry_after` is waited for', () => {
  const { box, sent, clock } = outbox();
  box.opened(LIMITS);
  box.add(note('a'));
  refuse(box, sent[0], 'rate_limited', { retry_after: 4 });
  clock.pass(3_900);
  assert.equal(sent.length, 1);
  clock.pass(200);
  assert.equal(sent.length, 2);
});

test('a refusal for good names the fields', async () => {
  const { box, sent } = outbox();
  box.opened(LIMITS);
  const published = box.add(note('a'));
  const errors = [{ pointer: '/data/orderId', message: 'is missing' }];
  refuse(box, sent[0], 'invalid_event', { errors });
  await assert.rejects(published, { name: 'HubError', code: 'invalid_event', errors });
  assert.equal(box.size, 0);
});

test('an error that never ends is given up', async () => {
  const { box, sent, clock } = outbox();
  box.opened(LIMITS);
  const published = box.add(note('a'));
  published.catch(() => {});
  for (let attempt = 0; attempt < 20 && box.size > 0; attempt += 1) {
    refuse(box, sent.at(-1), 'internal');
    clock.pass(60_000);
  }
  await assert.rejects(published, { code: 'internal' });
  assert.equal(sent.length, 10);
});

test('what the hub would close the connection for is not sent', async () => {
  const { box, sent } = outbox();
  const large = box.add(note('x'.repeat(2_000)));
  const wide = box.add(note('é'.repeat(300)));
  const fits = box.add(note('é'.repeat(200)));
  fits.catch(() => {});
  box.opened(LIMITS);
  await assert.rejects(large, { code: 'too_large' });
  await assert.rejects(wide, {
    code: 'too_large',
    errors: [{ pointer: '/data', message: 'is larger than 512 bytes' }],
  });
  assert.equal(sent.length, 1);
});

test('its memory is bounded', async () => {
  const { box } = outbox({ capacity: 2 });
  box.add(note('a')).catch(() => {});
  box.add(note('b')).catch(() => {});
  await assert.rejects(box.add(note('c')), { code: 'outbox_full' });
});

test('answers to others are not taken', async () => {
  const { box } = outbox();
  assert.equal(box.ack({ ref: 'p9', id: 'x', offset: 1 }), false);
  assert.equal(box.error({ ref: null, code: 'internal', message: 'no' }), false);
  await settled();
});

// Those parts of the elements and views that are pure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../../static/elements/format.js';
import { familyOf, gapText, summaryOf } from '../../static/elements/summary.js';
import { formatHash, parseHash } from '../../static/views/router.js';

test('numbers', () => {
  assert.equal(format.grouped(1_234_567), '1,234,567');
  assert.equal(format.compact(9_999), '9,999');
  assert.equal(format.compact(12_345), '12.3K');
  assert.equal(format.perSecond(0), '0');
  assert.equal(format.perSecond(0.4), '0.4');
  assert.equal(format.perSecond(1_234.5), '1,235');
  assert.equal(format.counted(1, 'row'), '1 row');
});

test('the time of a row is local, with the day when that is not today', () => {
  const now = new Date(2026, 10, 22, 12);
  assert.equal(
    format.rowTime(new Date(2026, 10, 22, 9, 5, 7, 42).toISOString(), now),
    '09:05:07.042',
  );
  assert.equal(
    format.rowTime(new Date(2026, 10, 21, 9, 5, 7).toISOString(), now),
    '21 Nov, 09:05:07',
  );
  assert.equal(format.rowTime('nonsense', now), '');
  assert.equal(format.shortTime(new Date(2026, 10, 22, 9, 5, 7).toISOString(), now), '09:05');
  assert.equal(format.shortTime(new Date(2026, 9, 1, 9, 5).toISOString(), now), '1 Oct, 09:05');
  assert.equal(format.shortTime('nonsense', now), '');
});

test('distances in time', () => {
  const now = Date.UTC(2026, 10, 22, 12);
  const said = {
    0: 'just now',
    1: 'just now',
    '-3': 'in 3 s',
    12: '12 s ago',
    60: '1 min ago',
    3_599: '59 min ago',
    7_200: '2 h ago',
    200_000: '2 d ago',
  };
  for (const [seconds, text] of Object.entries(said)) {
    assert.equal(format.relativeTime(new Date(now - seconds * 1_000).toISOString(), now), text);
  }
});

test('bytes', () => {
  const said = {
    0: '0 B',
    999: '999 B',
    1_000: '1.0 kB',
    12_345: '12.3 kB',
    999_499: '999 kB',
    999_600: '1.0 MB',
    1_250_000_000: '1.3 GB',
  };
  for (const [value, text] of Object.entries(said)) assert.equal(format.bytes(Number(value)), text);
});

test('durations', () => {
  const said = { 0.4: '0 s', 59.9: '59 s', 185: '3 min 5 s', 7_800: '2 h 10 min' };
  assert.equal(format.duration(1e6), '11 d 13 h');
  for (const [value, text] of Object.entries(said)) {
    assert.equal(format.duration(Number(value)), text);
  }
  assert.deepEqual([0.081, 4.23, 120.4, 1_520].map(format.milliseconds), [
    '0.08 ms',
    '4.2 ms',
    '120 ms',
    '1.5 s',
  ]);
});

test('an event in a line', () => {
  const order = { orderId: 'ORD-1', customerId: 'c', items: [{}, {}], totalAmount: 1_500 };
  assert.equal(
    summaryOf({ type: 'order_created', data: order }),
    'ORD-1  ·  2 items  ·  total 1,500  ·  c',
  );
  const paid = { orderId: 'O', amount: 1_250, currency: 'USD', paymentMethod: 'Cash' };
  assert.equal(summaryOf({ type: 'payment_received', data: paid }), 'O  ·  $12.50 by Cash');
  const message = { fromPhone: '26377', text: 'Hi' };
  assert.equal(summaryOf({ type: 'message_received', data: message }), '26377  ·  Hi');
  const custom = { a: 1, b: [1, 2], c: { d: 1 }, e: null };
  assert.equal(
    summaryOf({ type: 'custom_x', data: custom }),
    'a: 1  ·  b: 2 values  ·  c: {…}  ·  e: null',
  );
  assert.equal(summaryOf({ type: 'custom_x' }), '');
  const template = { templateId: 't', name: 'order_status', type: 'text', status: 'active' };
  assert.equal(
    summaryOf({ type: 'template_created', data: template }),
    'order_status  ·  text  ·  active',
  );
});

test('a line stays a line, however large the data', () => {
  const data = Object.fromEntries(
    Array.from({ length: 5_000 }, (_, index) => [`k${index}`, 'x'.repeat(100)]),
  );
  assert.equal(summaryOf({ type: 'custom_x', data }).length, 240);
});

test('data that is not as described does not break a row', () => {
  for (const type of [
    'order_created',
    'message_received',
    'delivery_completed',
    'payment_received',
  ]) {
    assert.equal(typeof summaryOf({ type, data: { items: 7, signature: {} } }), 'string');
  }
});

test('families have the colours', () => {
  assert.equal(familyOf('order_status_changed'), 'order');
  assert.equal(familyOf('order_*'), 'order');
  assert.equal(familyOf('somethingnew_x'), 'system');
});

test('gaps', () => {
  assert.match(
    gapText({ from: 5, to: 124, reason: 'retention' }),
    /^120 events are no longer stored \(#5 – #124\)$/,
  );
  assert.match(gapText({ from: 5, to: 5, reason: 'retention' }), /^1 event is /);
  assert.match(gapText({ from: null, to: null, reason: 'epoch' }), /started anew/);
});

test('an address is read and written', () => {
  const { path, query } = parseHash('#/stream?types=order_*,payment_received&merchant=m1');
  assert.equal(path, '/stream');
  assert.equal(query.get('types'), 'order_*,payment_received');
  assert.equal(
    formatHash('/stream', { types: 'order_*,x_y', merchant: null }),
    '#/stream?types=order_*,x_y',
  );
  assert.equal(formatHash('/stream'), '#/stream');
  const odd = formatHash('/stream', { types: 'a&b=c' });
  assert.equal(parseHash(odd).query.get('types'), 'a&b=c');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subscription } from '../../static/client/subscription.js';
import { event, subscribed } from './support.mjs';

function query(subscription) {
  return Object.fromEntries(subscription.query());
}

test('starts with the last events, and resumes after the last one that was read', () => {
  const subscription = new Subscription({ types: ['order_*'], merchantId: 'm1', last: 200 });
  assert.deepEqual(query(subscription), { types: 'order_*', merchant_id: 'm1', last: '200' });
  assert.equal(subscription.subscribed(subscribed(40)), true);
  subscription.accept(event(41));
  subscription.closed();
  assert.deepEqual(query(subscription), {
    types: 'order_*',
    merchant_id: 'm1',
    since: '41',
    epoch: 'e1',
  });
});

test('an empty list of types is left out: the hub would refuse it', () => {
  assert.deepEqual(query(new Subscription({ types: [], last: 5 })), { last: '5' });
});

test('a connection lost before `subscribed` asks for the same again', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.closed();
  assert.deepEqual(query(subscription), { last: '200' });
});

test('what was read already is not new', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(40));
  assert.equal(subscription.accept(event(41)), true);
  assert.equal(subscription.accept(event(41)), false);
  assert.equal(subscription.accept(event(40)), false);
  assert.equal(subscription.accept(event(50)), true, 'sparse offsets are no loss');
});

test('a resumed connection does not move the cursor back', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(40));
  subscription.accept(event(45));
  subscription.closed();
  query(subscription);
  assert.equal(subscription.subscribed(subscribed(43)), false);
  assert.equal(subscription.accept(event(44)), false);
  assert.equal(subscription.accept(event(46)), true);
});

test('volatile events have no offset and always pass', () => {
  const subscription = new Subscription({});
  const typing = { type: 'typing_started', volatile: true, data: {} };
  assert.equal(subscription.accept(typing), true);
  assert.equal(subscription.accept(typing), true);
  assert.equal(subscription.offset, null);
});

test('another filter moves the cursor to where the hub says, also back', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(90));
  subscription.accept(event(100));
  subscription.ask({ types: ['order_*'], last: 50 });
  const frame = subscription.frame();
  assert.deepEqual(frame, { type: 'subscribe', ref: 's1', types: ['order_*'], last: 50 });
  assert.equal(subscription.frame(), null, 'it is sent once');
  assert.equal(subscription.accept(event(101)), true, 'events of the old filter may still come');
  assert.equal(subscription.subscribed(subscribed(10, { ref: 's1' })), true);
  assert.equal(subscription.accept(event(11)), true);
});

test('an answer to an earlier filter is not taken for the one asked last', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.ask({ types: ['order_*'], last: 50 });
  assert.equal(subscription.subscribed(subscribed(10)), false);
  assert.equal(subscription.frame().ref, 's1');
  assert.equal(subscription.subscribed(subscribed(10, { ref: 's1' })), true);
});

test('a refused filter leaves the old one in force', () => {
  const subscription = new Subscription({ types: ['order_*'], last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(10));
  subscription.ask({ types: ['x'] });
  subscription.frame();
  assert.equal(subscription.refused('p1'), false);
  assert.equal(subscription.refused('s1'), true);
  assert.deepEqual(subscription.wanted.types, ['order_*']);
});

test('a gap moves the cursor to where the hub goes on, also back after a reset', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(1_000));
  subscription.gap({ from: null, to: null, reason: 'epoch', resume: 3 });
  assert.equal(subscription.accept(event(4)), true);
});

test('another epoch begins at its own offset', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(1_000));
  subscription.subscribed(subscribed(5, { epoch: 'e2' }));
  assert.equal(subscription.offset, 5);
  assert.equal(query(subscription).epoch, 'e2');
});

test('a heartbeat advances the cursor of a quiet filter, never back', () => {
  const subscription = new Subscription({ last: 200 });
  query(subscription);
  subscription.subscribed(subscribed(10));
  subscription.advance(500);
  subscription.advance(400);
  assert.equal(subscription.offset, 500);
});

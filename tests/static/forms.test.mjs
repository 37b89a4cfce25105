// Those parts of the forms that are pure: amounts, pointers, and what a role is offered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldOf } from '../../static/elements/fields.js';
import { minorDigits, money, parseMoney, plainMoney } from '../../static/elements/money.js';
import { may } from '../../static/state/permissions.js';

test('amounts are written with the digits of their currency', () => {
  assert.equal(money(450, 'USD'), '$4.50');
  assert.equal(money(1_234_567, 'EUR'), '€12,345.67');
  assert.equal(money(450, 'JPY'), '¥450');
  assert.equal(minorDigits('KWD'), 3);
  assert.equal(money(450, 'nonsense'), '4.50 nonsense');
  assert.equal(plainMoney(450, 'USD'), '4.50');
  assert.equal(plainMoney(450, 'JPY'), '450');
});

test('amounts are read as people write them, and nothing is guessed', () => {
  const read = {
    4: 400,
    '4.5': 450,
    '4,50': 450,
    ' 0.05 ': 5,
    '1 200.00': 120_000,
    '': null,
    '4.505': null,
    '-4': null,
    '1.2.3': null,
    four: null,
    '1,200.50': null,
    '4.': null,
  };
  for (const [text, minor] of Object.entries(read)) assert.equal(parseMoney(text, 'USD'), minor);
  assert.equal(parseMoney('450', 'JPY'), 450);
  assert.equal(parseMoney('4.5', 'JPY'), null);
});

test('an amount that is written is read as it was', () => {
  for (const currency of ['USD', 'JPY', 'KWD']) {
    for (const amount of [0, 1, 9, 10, 99, 100, 12_345, 999_999_999]) {
      assert.equal(parseMoney(plainMoney(amount, currency), currency), amount);
    }
  }
});

test('a pointer finds its field, or the nearest around it', () => {
  const known = ['/name', '/items', '/items/1/quantity'];
  assert.equal(fieldOf('/name', known), '/name');
  assert.equal(fieldOf('/params/name', known), '/name');
  assert.equal(fieldOf('/params/items/1/quantity', known), '/items/1/quantity');
  assert.equal(fieldOf('/items/0/product_id', known), '/items');
  assert.equal(fieldOf('/names', known), null);
  assert.equal(fieldOf('', known), null);
});

test('each role is offered what the hub would do for it', () => {
  for (const role of ['admin', 'merchant']) {
    for (const method of ['orders.create', 'products.delete', 'templates.update', 'audit.list']) {
      assert.ok(may(role, method), `${role} ${method}`);
    }
  }
  assert.ok(may('bot', 'orders.pay'));
  assert.ok(may('bot', 'media.upload'));
  assert.ok(!may('bot', 'products.update'));
  assert.ok(!may('bot', 'audit.list'));
  for (const method of ['orders.list', 'products.get', 'templates.preview', 'orders.timeline']) {
    assert.ok(may('viewer', method), method);
  }
  for (const method of ['orders.set_status', 'orders.pay', 'media.upload', 'sessions.list']) {
    assert.ok(!may('viewer', method), method);
  }
});

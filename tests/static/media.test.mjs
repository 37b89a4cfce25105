import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressFor,
  dimensions,
  endOf,
  fileProblem,
  mediaQuestion,
  renewAddresses,
  typeName,
} from '../../static/state/media.js';
import { Store } from '../../static/state/store.js';
import { FakeClock } from './support.mjs';

const MINUTE = 60_000;

test('a list is asked for newest first and narrowed by name, state and merchant', () => {
  assert.deepEqual(mediaQuestion({}).parts, { all: { order: 'newest' } });
  const { parts, accepts } = mediaQuestion({ find: 'Tea', status: 'ready', merchantId: 'm' });
  assert.deepEqual(parts.all, {
    merchant_id: 'm',
    name: 'Tea',
    status: 'ready',
    order: 'newest',
  });
  const row = { merchant_id: 'm', original_name: 'green TEA.png', status: 'ready' };
  assert.ok(accepts(row));
  assert.ok(!accepts({ ...row, merchant_id: 'n' }));
  assert.ok(!accepts({ ...row, original_name: 'coffee.png' }));
  assert.ok(!accepts({ ...row, status: 'failed' }));
});

test('only what is no picture, empty or too large is known to be wrong', () => {
  for (const type of ['image/jpeg', 'image/png', 'image/webp', '']) {
    assert.equal(fileProblem({ type, size: 1 }), '');
  }
  for (const type of ['image/gif', 'text/plain', 'constructor']) {
    assert.notEqual(fileProblem({ type, size: 1 }), '');
  }
  assert.notEqual(fileProblem({ type: 'image/png', size: 0 }), '');
});

test('types and sizes are said as people say them', () => {
  assert.equal(typeName({ mime_type: 'image/webp' }), 'WebP');
  assert.equal(dimensions({ width: 1200, height: 800 }), '1200 × 800');
  assert.equal(dimensions({ width: null, height: null }), '');
});

test('the end of an address is read from it', () => {
  assert.equal(endOf('/api/media/a/content?exp=1700000000&sig=x'), 1_700_000_000_000);
  assert.equal(endOf('/api/media/a/content'), Infinity);
  assert.equal(endOf(null), Infinity);
});

test('a picture keeps the address that it is shown by as long as that works', () => {
  const now = 1_000_000;
  const at = (minutes, id = 'a') => `/${id}?exp=${(now + minutes * MINUTE) / 1000}&sig=${minutes}`;
  assert.equal(addressFor('', at(60), now), at(60));
  assert.equal(addressFor(at(30), at(90), now), at(30));
  assert.equal(addressFor(at(4), at(90), now), at(90));
  assert.equal(addressFor(at(30, 'b'), at(90), now), at(90));
  assert.equal(addressFor(at(30), null, now), '');
});

/** A list of pictures whose addresses end; `reload` reads them anew unless the hub is away. */
function shown(clock, ...ends) {
  const rows = (all) => ({ rows: all.map((end) => ({ url: `/a?exp=${end / 1000}&sig=x` })) });
  const store = new Store(rows(ends));
  const collection = { store, reloads: 0, away: false };
  collection.reload = () => {
    collection.reloads += 1;
    if (!collection.away) store.set(rows([clock.now() + 120 * MINUTE]));
  };
  return collection;
}

test('addresses are read again ten minutes before the first of them ends', () => {
  const clock = new FakeClock();
  const collection = shown(clock, clock.now() + 90 * MINUTE, clock.now() + 61 * MINUTE);
  const stop = renewAddresses(collection, clock);
  clock.pass(51 * MINUTE - 1);
  assert.equal(collection.reloads, 0);
  clock.pass(1);
  assert.equal(collection.reloads, 1);
  clock.pass(110 * MINUTE);
  assert.equal(collection.reloads, 2);
  stop();
  clock.pass(500 * MINUTE);
  assert.equal(collection.reloads, 2);
});

test('a hub that is away is asked for addresses again each minute, and not more often', () => {
  const clock = new FakeClock();
  const collection = shown(clock, clock.now() + 20 * MINUTE);
  collection.away = true;
  renewAddresses(collection, clock);
  clock.pass(10 * MINUTE);
  assert.equal(collection.reloads, 1);
  clock.pass(5 * MINUTE);
  assert.equal(collection.reloads, 6);
  collection.away = false;
  clock.pass(MINUTE);
  clock.pass(100 * MINUTE);
  assert.equal(collection.reloads, 7);
});

test('pictures without an end are not read again', () => {
  const clock = new FakeClock();
  const collection = { store: new Store({ rows: [{ url: null }] }), reload: () => assert.fail() };
  renewAddresses(collection, clock);
  clock.pass(1_000 * MINUTE);
});

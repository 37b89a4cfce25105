// The audit as the page reads it, and what it says of a change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError } from '../../static/client/errors.js';
import {
  actorName,
  kindOf,
  orderedChanges,
  sentenceOf,
  targetName,
} from '../../static/elements/audit-summary.js';
import { Audit, auditFilter, exportAddress } from '../../static/state/audit.js';
import { FakeClock, settled } from './support.mjs';

function row(number, fields = {}) {
  return {
    id: String(number).padStart(6, '0'),
    merchant_id: 'm1',
    actor: { id: 'k1', role: 'merchant', name: 'anna' },
    action: 'UPDATE',
    target_type: 'product',
    target_id: 'p1',
    before: { name: 'Coffee' },
    after: { name: 'Coffee' },
    changes: [],
    address: null,
    agent: null,
    created_at: '2026-11-22T10:00:00.000Z',
    ...fields,
  };
}

/** A hub with these rows, which answers as the real one pages. */
function hubOf(count) {
  const rows = Array.from({ length: count }, (_, index) => row(index + 1));
  const calls = [];
  return {
    rows,
    calls,
    refusal: null,
    async call(method, params) {
      assert.equal(method, 'audit.list');
      calls.push(params);
      if (this.refusal) throw this.refusal;
      const older = rows
        .filter(({ id }) => !params.after || id < params.after)
        .sort((a, b) => (a.id < b.id ? 1 : -1));
      const audit = older.slice(0, params.limit);
      const next = older.length > audit.length ? audit.at(-1).id : null;
      return { audit, count: audit.length, next };
    },
  };
}

async function opened(count) {
  const hub = hubOf(count);
  const clock = new FakeClock();
  const audit = new Audit(hub, clock);
  audit.poll.run(true);
  await settled();
  const state = () => audit.poll.store.value.value;
  const numbers = () => state().list.map(({ row: { id } }) => Number(id));
  return { hub, clock, audit, state, numbers };
}

function down(from, to) {
  return Array.from({ length: from - to + 1 }, (_, index) => from - index);
}

test('the newest page is read, and an older one when it is asked for', async () => {
  const { hub, audit, state, numbers } = await opened(120);
  assert.deepEqual(numbers(), down(120, 71));
  assert.deepEqual(hub.calls, [{ limit: 50 }]);
  assert.equal(state().more, true);
  audit.more();
  await settled();
  assert.deepEqual(numbers(), down(120, 21));
  audit.more();
  await settled();
  assert.deepEqual(numbers(), down(120, 1));
  assert.equal(state().more, false);
  assert.ok(state().list.every(({ arrival }) => arrival === 0), 'none of them is new');
});

test('new rows come on top once each, and are told from those that were there', async () => {
  const { hub, audit, state, numbers } = await opened(60);
  hub.rows.push(row(61), row(62));
  audit.touch();
  await settled();
  assert.deepEqual(numbers(), down(62, 11));
  const news = () => state().list.filter(({ arrival }) => arrival > 0).length;
  assert.deepEqual([news(), state().arrival], [2, 1]);
  hub.rows.push(row(63));
  audit.poll.refresh();
  await settled();
  assert.deepEqual([news(), state().arrival], [3, 2]);
  assert.equal(state().more, true, 'what is below has not changed');
});

test('a row that was written late finds its place', async () => {
  const { hub, audit, numbers } = await opened(0);
  hub.rows.push(row(10), row(30));
  audit.poll.refresh();
  await settled();
  hub.rows.push(row(20));
  audit.poll.refresh();
  await settled();
  assert.deepEqual(numbers(), [30, 20, 10]);
});

test('after a long absence no row is left out', async () => {
  for (const missed of [49, 50, 51, 149, 199]) {
    const { hub, audit, numbers } = await opened(60);
    for (let number = 61; number <= 60 + missed; number += 1) hub.rows.push(row(number));
    audit.poll.refresh();
    await settled();
    assert.deepEqual(numbers(), down(60 + missed, 11), `${missed}`);
  }
});

test('after too long an absence the list begins anew, without a hole', async () => {
  const { hub, audit, state, numbers } = await opened(60);
  for (let number = 61; number <= 900; number += 1) hub.rows.push(row(number));
  audit.poll.refresh();
  await settled();
  assert.deepEqual(numbers(), down(900, 701));
  assert.equal(state().more, true);
  audit.more();
  await settled();
  assert.deepEqual(numbers(), down(900, 651));
});

test('a page that is left open keeps a bounded number of rows', async () => {
  const { hub, audit, state, numbers } = await opened(50);
  for (let round = 0; round < 20; round += 1) {
    for (let number = 0; number < 40; number += 1) hub.rows.push(row(hub.rows.length + 1));
    audit.poll.refresh();
    await settled();
  }
  assert.deepEqual(numbers(), down(850, 301));
  assert.equal(state().more, true);
  audit.more();
  await settled();
  assert.deepEqual(numbers(), down(850, 251));
});

test('however many events come, the rows are read twice a second', async () => {
  const { hub, clock, audit } = await opened(1);
  for (let event = 0; event < 100; event += 1) audit.touch();
  await settled();
  assert.equal(hub.calls.length, 2, 'the first event is answered at once');
  clock.pass(499);
  await settled();
  assert.equal(hub.calls.length, 2);
  clock.pass(1);
  await settled();
  assert.equal(hub.calls.length, 3, 'and the last one too');
  clock.pass(3_000);
  await settled();
  assert.equal(hub.calls.length, 3);
});

test('what is no event is found by looking every four seconds', async () => {
  const { hub, clock, numbers } = await opened(1);
  hub.rows.push(row(2));
  clock.pass(4_000);
  await settled();
  assert.deepEqual(numbers(), [2, 1]);
});

test('another filter is another list; what was on its way is dropped', async () => {
  const { hub, audit, state } = await opened(120);
  audit.more();
  audit.narrow({ action: 'DELETE' });
  assert.equal(state(), null);
  await settled();
  assert.deepEqual(hub.calls.at(-1), { action: 'DELETE', limit: 50 });
  assert.equal(state().list.length, 50, 'one page again');
  const before = hub.calls.length;
  audit.narrow({ action: 'DELETE' });
  await settled();
  assert.equal(hub.calls.length, before);
});

test('a refusal leaves what was read, and an older page is asked for again', async () => {
  const { hub, clock, audit, state } = await opened(120);
  hub.refusal = new HubError('The database does not answer.', { code: 'unavailable' });
  audit.more();
  await settled();
  assert.equal(audit.poll.store.value.problem, 'The database does not answer.');
  assert.equal(state().list.length, 50);
  hub.refusal = null;
  clock.pass(4_000);
  await settled();
  assert.equal(state().list.length, 100);
  assert.equal(audit.poll.store.value.problem, '');
});

test('the filter is in the address, and in that of a file', () => {
  const query = new URLSearchParams('action=DELETE&actor_id=&from=2026-11-22T10:00:00.000Z&x=1');
  const filter = auditFilter(query, 'm1');
  assert.deepEqual(filter, {
    action: 'DELETE',
    from: '2026-11-22T10:00:00.000Z',
    merchant_id: 'm1',
  });
  assert.deepEqual(auditFilter(new URLSearchParams(), null), {});
  assert.equal(
    exportAddress({ target_id: 'a&b', merchant_id: 'm1' }, 'csv'),
    '/api/audit?target_id=a%26b&merchant_id=m1&format=csv',
  );
});

// ── words ────────────────────────────────────────────────────────────────────────────────────────

function change(field, before, after) {
  return { field, before, after };
}

test('what happened, in a sentence', () => {
  const cases = [
    [{ changes: [change('price', 450, 500), change('version', 1, 2)] }, 'price 450 → 500'],
    [{ changes: [change('version', 1, 2)] }, ''],
    [{ changes: [change('revoked_at', null, '2026'), change('version', 1, 2)] }, 'revoked'],
    [{ changes: [change('stock', null, 3)] }, 'stock none → 3'],
    [{ changes: [change('is_active', true, false)] }, 'is active true → false'],
    [{ changes: [change('body', 'x'.repeat(40), 'y')] }, 'body'],
    [{ changes: [change('buttons', [], [1])] }, 'buttons'],
    [{ changes: [change('a', 1, 2), change('b', 1, 2)] }, 'a and b'],
    [{ changes: ['a', 'b', 'c', 'd', 'e'].map((name) => change(name, 1, 2)) }, 'a, b, c and 2 more'],
  ];
  for (const [fields, detail] of cases) {
    const expected = `changed product Coffee${detail && `: ${detail}`}`;
    assert.equal(sentenceOf(row(1, fields)), expected);
  }
  const made = { action: 'CREATE', target_type: 'key', before: null, after: { name: 'till' } };
  assert.equal(sentenceOf(row(1, made)), 'made key till');
  const gone = { action: 'DELETE', before: { url: 'https://a' }, after: null };
  assert.equal(sentenceOf(row(1, { ...gone, target_type: 'webhook' })), 'deleted webhook https://a');
  assert.equal(sentenceOf(row(1, { action: 'MERGE' })), 'merge product Coffee', 'of a newer hub');
});

test('what a thing is called', () => {
  assert.equal(kindOf('delivery_task'), 'delivery task');
  assert.equal(kindOf('loyalty_card'), 'loyalty card', 'of a newer hub');
  const id = '0199c0de-0000-7000-8000-00000000002a';
  assert.equal(targetName(row(1, { before: null, after: {}, target_id: id })), '…0000002a');
  assert.equal(targetName(row(1, { after: { name: 7 }, target_id: 'p1' })), 'p1');
  assert.equal(actorName({ id: null, role: 'hub', name: null }), 'the hub');
  assert.equal(actorName({ id, role: 'admin', name: null }), '…0000002a');
});

test('the name is read first, and what says nothing last', () => {
  const names = ['created_at', 'id', 'name', 'price', 'stock', 'updated_at', 'version'];
  const ordered = orderedChanges(names.map((name) => change(name, 1, 2)));
  const fields = ordered.map(({ field }) => field);
  const expected = ['name', 'price', 'stock', 'created_at', 'id', 'updated_at', 'version'];
  assert.deepEqual(fields, expected);
});

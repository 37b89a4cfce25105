// What the hub says of those who are connected, and of itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError } from '../../static/client/errors.js';
import { HealthReport, statusText } from '../../static/state/health.js';
import { filterText, matches, Roster, Sessions } from '../../static/state/sessions.js';
import { FakeClock, settled } from './support.mjs';

function session(id, fields = {}) {
  return {
    id,
    role: 'bot',
    name: `till ${id}`,
    key_id: `k${id}`,
    merchant_id: 'm1',
    door: 'websocket',
    address: '10.0.0.4',
    agent: null,
    connected_at: `2026-11-22T10:00:0${id}.000Z`,
    state: 'live',
    types: null,
    subjects: null,
    cursor: 7,
    lag: 0,
    bytes_in: 0,
    bytes_out: 0,
    published: 0,
    expires_at: null,
    ...fields,
  };
}

/** A hub with so many connections, which answers in pages. */
function hubOf(all, failing = {}) {
  const calls = [];
  return {
    calls,
    async call(method, params) {
      calls.push([method, params]);
      if (failing[method]) throw failing[method];
      if (method === 'sessions.disconnect') return { id: params.id };
      const from = params.after ? all.findIndex(({ id }) => id === params.after) + 1 : 0;
      const sessions = all.slice(from, from + params.limit);
      const rest = all.length > from + params.limit;
      return { sessions, count: sessions.length, next: rest ? sessions.at(-1).id : null };
    },
  };
}

function many(count) {
  return Array.from({ length: count }, (_, index) => session(String(index).padStart(4, '0')));
}

test('one page is read, and more when more is asked for', async () => {
  const hub = hubOf(many(500));
  const sessions = new Sessions(hub, new FakeClock());
  sessions.poll.run(true);
  await settled();
  const { store } = sessions.poll;
  assert.deepEqual([store.value.value.list.length, store.value.value.more], [200, true]);
  assert.deepEqual(hub.calls, [['sessions.list', { limit: 200 }]]);
  sessions.more();
  await settled();
  assert.deepEqual([store.value.value.list.length, store.value.value.more], [400, true]);
  sessions.more();
  await settled();
  assert.deepEqual([store.value.value.list.length, store.value.value.more], [500, false]);
});

test('the more pages are shown, the longer the pause between two readings', async () => {
  const hub = hubOf(many(500));
  const clock = new FakeClock();
  const sessions = new Sessions(hub, clock);
  sessions.poll.run(true);
  await settled();
  sessions.more();
  await settled();
  const before = hub.calls.length;
  clock.pass(3_999);
  assert.equal(hub.calls.length, before);
  clock.pass(1);
  assert.equal(hub.calls.length, before + 1);
});

test('another merchant is another list, from its first page', async () => {
  const hub = hubOf(many(3));
  const sessions = new Sessions(hub, new FakeClock());
  sessions.poll.run(true);
  await settled();
  sessions.narrow('m2');
  assert.equal(sessions.poll.store.value.value, null);
  await settled();
  assert.deepEqual(hub.calls.at(-1), ['sessions.list', { merchant_id: 'm2', limit: 200 }]);
  sessions.narrow('m2');
  await settled();
  assert.equal(hub.calls.length, 2);
});

test('after a disconnect the list is read again, also after one that failed', async () => {
  const gone = new HubError('No such session.', { code: 'not_found' });
  const hubs = [hubOf(many(1)), hubOf(many(1), { 'sessions.disconnect': gone })];
  const outcomes = [];
  for (const hub of hubs) {
    const sessions = new Sessions(hub, new FakeClock());
    sessions.poll.run(true);
    await settled();
    const disconnected = sessions.disconnect('0000');
    outcomes.push(
      await disconnected.then(
        () => 'done',
        ({ code }) => code,
      ),
    );
    await settled();
    const methods = hub.calls.map(([method]) => method);
    assert.deepEqual(methods, ['sessions.list', 'sessions.disconnect', 'sessions.list']);
  }
  assert.deepEqual(outcomes, ['done', 'not_found']);
});

test('connections are found by any of their words', () => {
  const one = session('1', { types: ['order_*'], agent: 'websocat/1.2', door: 'sse' });
  const name = (id) => ({ m1: 'Chino' })[id] ?? '';
  for (const wanted of ['', 'TILL', 'chino bot', 'order_', '10.0.0.4', 'websocat sse', 'k1']) {
    assert.ok(matches(one, wanted, name), wanted);
  }
  for (const wanted of ['admin', 'till admin', 'null']) {
    assert.equal(matches(one, wanted, name), false, wanted);
  }
});

test('what a connection listens to, in a line', () => {
  assert.equal(filterText(session('1')), 'everything');
  assert.equal(filterText(session('1', { state: 'idle' })), 'nothing');
  const both = session('1', { types: ['order_*', 'x_y'], subjects: ['chat/*'] });
  assert.equal(filterText(both), 'order_*, x_y · chat/*');
});

const ANY = { order: 'newest', wanted: () => true, held: false };

function ids(rows) {
  return rows.map(({ session: { id }, ended }) => (ended ? `${id} ended` : id));
}

test('rows are ordered, equal ones always alike', () => {
  const roster = new Roster();
  const all = [session('1', { lag: 5 }), session('3'), session('2')];
  assert.deepEqual(ids(roster.arrange(all, ANY)), ['3', '2', '1']);
  assert.deepEqual(ids(roster.arrange(all, { ...ANY, order: 'lag' })), ['1', '2', '3']);
  const turned = [...all].reverse();
  assert.deepEqual(ids(roster.arrange(turned, { ...ANY, order: 'lag' })), ['1', '2', '3']);
  assert.deepEqual(ids(roster.arrange(all, { ...ANY, order: 'no such' })), ['3', '2', '1']);
});

test('while someone is among the rows none moves: ended ones stay, new ones follow', () => {
  const roster = new Roster();
  roster.arrange([session('1'), session('2')], { ...ANY, order: 'lag' });
  const later = [session('2', { lag: 9 }), session('0', { lag: 99 })];
  const held = roster.arrange(later, { ...ANY, order: 'lag', held: true });
  assert.deepEqual(ids(held), ['1 ended', '2', '0']);
  assert.equal(held[1].session.lag, 9, 'what they say is of now');
  const wanted = ({ id }) => id === '0';
  assert.deepEqual(ids(roster.arrange(later, { ...ANY, wanted, held: true })), [
    '1 ended',
    '2',
    '0',
  ]);
  assert.deepEqual(ids(roster.arrange(later, { ...ANY, order: 'lag' })), ['0', '2']);
});

function health(fields = {}) {
  const traffic = { events_in: 0, events_out: 0, bytes_out: 0, commits: 0, ...fields };
  const process = { cpu_seconds: fields.cpu ?? 0 };
  return { status: 'ready', started_at: fields.started ?? 'then', traffic, process };
}

/** Reports one after the other, two seconds apart. */
async function reported(...answers) {
  const clock = new FakeClock();
  const report = new HealthReport({ call: async () => answers.shift() }, clock);
  report.poll.run(true);
  await settled();
  while (answers.length) {
    clock.pass(2_000);
    await settled();
  }
  return { report, clock };
}

test('rates are differences of counters', async () => {
  const { report } = await reported(
    health({ events_in: 100, cpu: 1 }),
    health({ events_in: 150, events_out: 10, bytes_out: 4_000, commits: 4, cpu: 1.5 }),
  );
  assert.deepEqual(
    { ...report.latest, at: 0 },
    { at: 0, eventsIn: 25, eventsOut: 5, bytesOut: 2_000, commits: 2, cpu: 0.25 },
  );
});

test('one reading makes no rate, nor do two of different runs of the hub', async () => {
  assert.equal((await reported(health({ events_in: 5 }))).report.latest, null);
  const restarted = await reported(
    health({ events_in: 500 }),
    health({ events_in: 600 }),
    health({ events_in: 3, started: 'now' }),
  );
  assert.equal(restarted.report.latest, null);
  const after = await reported(
    health({ events_in: 600 }),
    health({ events_in: 3, started: 'now' }),
    health({ events_in: 7, started: 'now' }),
  );
  assert.equal(after.report.latest.eventsIn, 2);
});

test('two minutes of rates are remembered', async () => {
  const answers = Array.from({ length: 100 }, (_, index) => health({ events_in: index * 2 }));
  const { report, clock } = await reported(...answers);
  assert.equal(report.rates.length, 60);
  assert.ok(clock.now() - report.rates[0].at < 120_000);
  assert.ok(report.rates.every(({ eventsIn }) => eventsIn === 1));
});

test('a status is told in words, also one of a newer hub', () => {
  assert.equal(statusText('ready').label, 'Ready');
  assert.deepEqual(statusText('dreaming'), { label: 'dreaming', text: '' });
});

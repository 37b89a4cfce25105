import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  aboutJob,
  ALLOWED,
  jobQuestion,
  manyParams,
  newestFirst,
  Progress,
  STATES,
  stateText,
} from '../../static/state/jobs.js';
import { hindrance, moved } from '../../static/state/queues.js';
import { answerOf, healthOf, readWebhooks, typesIn } from '../../static/state/webhooks.js';

const job = (changes = {}) => ({
  id: 'j1', merchant_id: 'm1', queue: 'message_sending', name: 'send', state: 'running',
  attempt: 1, progress: 10, note: null, awaits: null, run_at: '2026-11-28T10:00:00.000Z',
  created_at: '2026-11-28T10:00:00.000Z', parent_id: null, args: {}, recipient: '4917',
  ...changes,
}); // prettier-ignore

const queue = (changes = {}) => ({
  name: 'message_sending', waiting: 0, active: 0, delayed: 0, completed: 0, dead: 0, workers: 1,
  ...changes,
}); // prettier-ignore

test('a question names what is asked for, and says which jobs answer it', () => {
  const filter = { queue: 'message_sending', state: 'dead', parent: '', merchantId: 'm1' };
  const { parts, accepts } = jobQuestion(filter);
  assert.deepEqual(parts.all, { queue: 'message_sending', state: 'dead', merchant_id: 'm1' });
  assert.ok(accepts(job({ state: 'dead' })));
  assert.ok(!accepts(job({ state: 'running' })));
  assert.ok(!accepts(job({ state: 'dead', merchant_id: 'm2' })));
  const all = jobQuestion({ queue: '', state: '', parent: '', merchantId: null });
  assert.deepEqual(all.parts.all, { whole: true });
  assert.ok(!all.accepts(job({ parent_id: 'p' })));
  assert.ok(all.accepts(job()));
});

test('many are changed one merchant at a time', () => {
  const filter = { queue: '', state: 'dead', parent: '', merchantId: null };
  const chosen = [job({ id: 'a' }), job({ id: 'b', merchant_id: 'm2' }), job({ id: 'c' })];
  assert.deepEqual(manyParams(filter, chosen, ['m1', 'm2', 'm3']), [
    { ids: ['a', 'c'], merchant_id: 'm1' },
    { ids: ['b'], merchant_id: 'm2' },
  ]);
  assert.deepEqual(manyParams(filter, [], ['m1', 'm2']), [
    { state: 'dead', merchant_id: 'm1' },
    { state: 'dead', merchant_id: 'm2' },
  ]);
  assert.deepEqual(manyParams({ ...filter, merchantId: 'm2' }, [], ['m1', 'm2']), [
    { state: 'dead', merchant_id: 'm2' },
  ]);
  assert.deepEqual(manyParams(filter, [], []), [{ state: 'dead' }]);
  assert.deepEqual(manyParams(filter, [job()], []), [{ ids: ['j1'] }]);
});

test('newest first by the time of their making, whatever their ids', () => {
  const old = job({ id: 'order-zzz', created_at: '2026-11-27T10:00:00.000Z' });
  const made = [old, job({ id: '01a' }), job({ id: '01b' })].sort(newestFirst);
  assert.deepEqual(made.map(({ id }) => id), ['01b', '01a', 'order-zzz']);
});

test('in each state something may be done, and not its opposite', () => {
  for (const state of STATES) {
    assert.notEqual(ALLOWED.cancel(state), ALLOWED.discard(state), state);
    assert.ok(!(ALLOWED.retry(state) && ALLOWED.cancel(state)), state);
  }
  assert.ok(ALLOWED.retry('dead'));
  assert.ok(!ALLOWED.retry('succeeded'));
});

test('progress that is told is shown until the row says more, and never of an earlier attempt', () => {
  const progress = new Progress();
  const told = (data) => progress.take({ type: 'job_progressed', data: { jobId: 'j1', ...data } });
  assert.ok(told({ attempt: 1, progress: 40, note: 'half' }));
  assert.equal(progress.of(job()).progress, 40);
  assert.equal(progress.of(job()).note, 'half');
  assert.equal(progress.of(job({ progress: 60 })).progress, 60);
  assert.equal(progress.of(job({ attempt: 2 })).progress, 10);
  assert.equal(progress.of(job({ state: 'dead' })).progress, 10);
  assert.ok(!progress.take({ type: 'job_completed', data: { jobId: 'j1' } }));
  assert.equal(progress.of(job()).progress, 10);
  assert.ok(!progress.take({ type: 'order_created', data: {} }));
});

test('what waits for a bot says so', () => {
  const now = Date.parse('2026-11-28T10:00:00Z');
  assert.equal(stateText(job({ state: 'queued', awaits: 'bot' }), now), 'waits for a bot');
  assert.equal(stateText(job({ state: 'queued' }), now), 'queued');
  const later = job({ state: 'retrying', run_at: '2026-11-28T10:00:09.000Z' });
  assert.equal(stateText(later, now), 'to be retried');
  assert.equal(stateText(later, now + 10_000), 'retrying');
});

test('a job is about what it works on', () => {
  assert.equal(aboutJob(job()), '4917');
  assert.equal(aboutJob(job({ name: 'bulk', args: { total: 3 } })), '3 recipients');
  assert.equal(aboutJob(job({ name: 'process', args: { order_id: 'o1' } })), 'o1');
  assert.equal(aboutJob(job({ name: 'other' })), 'j1');
});

test('counts that move tell of jobs that no event tells of', () => {
  const before = { queues: [queue()] };
  assert.ok(!moved(null, before));
  assert.ok(!moved(before, { queues: [queue()] }));
  assert.ok(moved(before, { queues: [queue({ completed: 1 })] }));
});

test('what stands in the way is said', () => {
  const up = { state: 'up' };
  assert.equal(hindrance({ queues: [queue({ waiting: 3 })], broker: up }), '');
  const idle = { queues: [queue({ waiting: 3, workers: 0 })], broker: up };
  assert.match(hindrance(idle), /No worker is there for: Messages/);
  assert.equal(hindrance({ queues: [queue({ workers: 0 })], broker: up }), '');
  assert.match(hindrance({ queues: [], broker: { state: 'down' } }), /broker is away/);
});

test('how an endpoint fares', () => {
  const hook = (changes) =>
    healthOf({ is_active: true, retry_count: 0, last_triggered_at: 'x', ...changes });
  assert.equal(hook({}), 'working');
  assert.equal(hook({ last_triggered_at: null }), 'new');
  assert.equal(hook({ retry_count: 2 }), 'failing');
  assert.equal(hook({ is_active: false }), 'inactive');
  assert.equal(hook({ is_active: false, disabled_reason: 'gone' }), 'disabled');
});

test('all webhooks are read, page by page', async () => {
  const asked = [];
  const hub = {
    async call(method, params) {
      asked.push(params);
      return params.after ? { webhooks: ['b'], next: null } : { webhooks: ['a'], next: 'x' };
    },
  };
  assert.deepEqual(await readWebhooks(/** @type {any} */ (hub), 'm1'), ['a', 'b']);
  assert.deepEqual(asked.map(({ after }) => after), [undefined, 'x']);
  assert.ok(asked.every((params) => params.merchant_id === 'm1'));
});

test('patterns stand in lines or between commas', () => {
  assert.deepEqual(typesIn(' order_*,\n payment_received\n'), ['order_*', 'payment_received']);
  assert.deepEqual(typesIn('  '), []);
});

test('what an attempt came to', () => {
  const attempt = (changes) =>
    answerOf({ response_status: null, error_message: null, status: 'failed', ...changes });
  assert.equal(attempt({ response_status: 204 }), '204');
  assert.equal(attempt({ response_status: 500, error_message: 'no' }), '500 · no');
  assert.equal(attempt({ error_message: 'no answer' }), 'no answer');
  assert.equal(attempt({ status: 'pending' }), 'not yet');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import { HubError } from '../../static/client/errors.js';
import { sendFile } from '../../static/client/upload.js';
import { isOpen, Uploads } from '../../static/state/uploads.js';
import { FakeClock, settled } from './support.mjs';

const MB = 1024 * 1024;

/** A file that can be read, until it is changed behind the page's back. */
function file(name, { type = 'image/png', size = 1_000 } = {}) {
  const made = { name, type, size, readable: true };
  made.slice = () => ({
    arrayBuffer: () => (made.readable ? Promise.resolve() : Promise.reject(new Error('changed'))),
  });
  return made;
}

/** Uploads whose line is the test: each sending is settled by hand. */
function line() {
  const clock = new FakeClock();
  const hub = new Emitter();
  const sendings = [];
  function send(upload) {
    const sending = { ...upload, aborted: false };
    const answer = new Promise((resolve, reject) => {
      sending.take = (answered) => resolve(answered);
      sending.fail = (code, details = {}) => reject(new HubError('no', { code, ...details }));
      sending.refuse = (error) => reject(error);
    });
    sendings.push(sending);
    const abort = () => {
      sending.aborted = true;
      sending.fail('aborted');
    };
    return { answer, abort };
  }
  const uploads = new Uploads(hub, { send, clock });
  const states = () => uploads.store.value.list.map(({ state }) => state);
  return { uploads, sendings, clock, hub, states };
}

const stored = (id, duplicate = false) => ({ media: { id }, duplicate });

test('three files are sent at a time, the others wait for their turn', async () => {
  const { uploads, sendings, states } = line();
  uploads.add([1, 2, 3, 4, 5].map((n) => file(`${n}.png`)), null);
  assert.deepEqual(states(), ['sending', 'sending', 'sending', 'waiting', 'waiting']);
  sendings[1].take(stored('b'));
  await settled();
  assert.deepEqual(states(), ['sending', 'done', 'sending', 'sending', 'waiting']);
  assert.equal(sendings.length, 4);
});

test('a file goes out as it is, with its name, its type and a key of its own', () => {
  const { uploads, sendings } = line();
  uploads.add([file('Tee für 2.png'), file('x', { type: '' })], 'merchant 1');
  const [one, two] = sendings;
  assert.equal(one.path, '/api/media/upload?merchant_id=merchant%201');
  assert.equal(one.headers['x-file-name'], 'Tee%20f%C3%BCr%202.png');
  assert.equal(one.headers['content-type'], 'image/png');
  assert.equal(two.headers['content-type'], 'application/octet-stream');
  assert.notEqual(one.headers['idempotency-key'], two.headers['idempotency-key']);
  assert.equal(one.file.name, 'Tee für 2.png');
});

test('what a browser can know to be wrong is said at once and nothing is sent', () => {
  const { uploads, sendings, states } = line();
  const files = [
    file('a.pdf', { type: 'application/pdf' }),
    file('b.gif', { type: 'image/gif' }),
    file('c.png', { size: 0 }),
    file('d.png', { size: 5 * MB + 1 }),
  ];
  uploads.add(files, null);
  assert.deepEqual(states(), ['refused', 'refused', 'refused', 'refused']);
  const problems = uploads.store.value.list.map(({ problem }) => problem);
  assert.match(problems[0], /no JPEG, PNG or WebP/);
  assert.match(problems[2], /empty/);
  assert.match(problems[3], /more than 5 MB/);
  assert.equal(sendings.length, 0);
  uploads.add([file('e.png', { size: 5 * MB })], null);
  assert.equal(sendings.length, 1);
});

test('progress is told, and that the hub looks at what has left', () => {
  const { uploads, sendings } = line();
  uploads.add([file('a.png')], null);
  const now = () => uploads.store.value.list[0];
  sendings[0].onprogress(400);
  assert.deepEqual([now().state, now().sent], ['sending', 400]);
  sendings[0].onprogress(1_000);
  assert.deepEqual([now().state, now().sent], ['storing', 1_000]);
});

test('a broken connection sends the file again under its key when the hub is back', async () => {
  const { uploads, sendings, hub, states } = line();
  uploads.add([file('a.png')], null);
  sendings[0].onprogress(1_000);
  sendings[0].fail('unreachable');
  await settled();
  assert.deepEqual(states(), ['broken']);
  hub.emit('status', { state: 'live' });
  assert.deepEqual(states(), ['sending']);
  assert.equal(
    sendings[1].headers['idempotency-key'],
    sendings[0].headers['idempotency-key'],
  );
  sendings[1].take(stored('a'));
  await settled();
  assert.deepEqual(states(), ['done']);
});

test('without word of the hub it is sent again after a while, until nobody would wait', async () => {
  const { uploads, sendings, clock, states } = line();
  uploads.add([file('a.png')], null);
  while (states()[0] !== 'failed') {
    assert.ok(clock.now() < 1_000_000 + 11 * 60_000);
    sendings.at(-1).fail('unreachable');
    await settled();
    clock.pass(15_000);
  }
  assert.ok(sendings.length > 40);
  uploads.retry(uploads.store.value.list[0].id);
  assert.deepEqual(states(), ['sending']);
  assert.equal(new Set(sendings.map(({ headers }) => headers['idempotency-key'])).size, 1);
});

test('a hub that has no room now is asked again when it says so', async () => {
  const { uploads, sendings, clock, states } = line();
  uploads.add([file('a.png')], null);
  sendings[0].fail('unavailable', { status: 503, retryAfter: 30 });
  await settled();
  assert.deepEqual(states(), ['broken']);
  clock.pass(29_000);
  assert.deepEqual(states(), ['broken']);
  clock.pass(1_000);
  assert.deepEqual(states(), ['sending']);
});

test('what the hub refuses is not sent again, and its sentence is kept', async () => {
  const { uploads, sendings, states } = line();
  uploads.add([file('a.png'), file('b.png')], null);
  const errors = [{ pointer: '', message: 'this is no picture' }];
  sendings[0].refuse(new HubError('/: this is no picture', { code: 'x', status: 422, errors }));
  sendings[1].refuse(new HubError('you are signed out', { code: '401', status: 401 }));
  await settled();
  assert.deepEqual(states(), ['refused', 'failed']);
  const [one, two] = uploads.store.value.list;
  assert.equal(one.problem, 'this is no picture');
  assert.equal(two.problem, 'you are signed out');
  uploads.retry(one.id);
  assert.equal(sendings.length, 2);
});

test('a file that was changed meanwhile is not taken for a broken line', async () => {
  const { uploads, sendings, states } = line();
  const changed = file('a.png');
  uploads.add([changed], null);
  changed.readable = false;
  sendings[0].fail('unreachable');
  await settled();
  assert.deepEqual(states(), ['refused']);
  assert.match(uploads.store.value.list[0].problem, /Choose it again/);
});

test('a cancelled file makes room for the next and may be sent after all', async () => {
  const { uploads, sendings, states } = line();
  uploads.add([1, 2, 3, 4].map((n) => file(`${n}.png`)), null);
  const [first] = uploads.store.value.list;
  uploads.cancel(first.id);
  await settled();
  assert.ok(sendings[0].aborted);
  assert.deepEqual(states(), ['cancelled', 'sending', 'sending', 'sending']);
  uploads.retry(first.id);
  assert.deepEqual(states(), ['waiting', 'sending', 'sending', 'sending']);
  uploads.cancel(first.id);
  for (const sending of sendings.slice(1)) sending.take(stored('x'));
  await settled();
  assert.deepEqual(states(), ['cancelled', 'done', 'done', 'done']);
  assert.equal(sendings.length, 4);
});

test('a file that the hub has taken before it was cancelled is done', async () => {
  const { uploads, sendings, states } = line();
  uploads.add([file('a.png')], null);
  sendings[0].take(stored('a'));
  uploads.cancel(uploads.store.value.list[0].id);
  await settled();
  assert.deepEqual(states(), ['done']);
});

test('an earlier sending of a file says nothing of a later one', async () => {
  const { uploads, sendings, states } = line();
  uploads.add([file('a.png')], null);
  const [{ id }] = uploads.store.value.list;
  uploads.cancel(id);
  uploads.retry(id);
  sendings[0].onprogress(1_000);
  await settled();
  assert.deepEqual(states(), ['sending']);
  sendings[1].take(stored('a'));
  await settled();
  assert.deepEqual(states(), ['done']);
});

test('what is finished is cleared, what is open stays', async () => {
  const { uploads, sendings } = line();
  uploads.add([file('a.png'), file('b.png'), file('c.pdf', { type: 'x/y' })], null);
  sendings[0].take(stored('a', true));
  await settled();
  assert.equal(uploads.store.value.list[0].duplicate, true);
  uploads.clear(({ name }) => name !== 'c.pdf');
  assert.deepEqual(uploads.store.value.list.map(({ name }) => name), ['b.png', 'c.pdf']);
  uploads.clear();
  assert.deepEqual(uploads.store.value.list.map(({ name }) => name), ['b.png']);
  assert.ok(uploads.store.value.list.every(isOpen));
});

test('who signs out ends all that is on its way', async () => {
  const { uploads, sendings, hub } = line();
  uploads.add([file('a.png'), file('b.png')], null);
  uploads.stop();
  await settled();
  assert.ok(sendings.every(({ aborted }) => aborted));
  assert.deepEqual(uploads.store.value.list, []);
  hub.emit('status', { state: 'live' });
  assert.equal(sendings.length, 2);
});

/** An XMLHttpRequest whose other end is the test. */
class FakeRequest extends EventTarget {
  static last = null;
  upload = new EventTarget();
  headers = {};
  status = 0;
  responseText = '';
  retryAfter = null;

  constructor() {
    super();
    FakeRequest.last = this;
  }

  open(method, path) {
    Object.assign(this, { method, path });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  getResponseHeader(name) {
    return name === 'retry-after' ? this.retryAfter : null;
  }

  send(body) {
    this.body = body;
  }

  abort() {
    this.dispatchEvent(new Event('abort'));
  }

  answer(status, text) {
    Object.assign(this, { status, responseText: text });
    this.dispatchEvent(new Event('load'));
  }
}

function sent(options = {}) {
  const body = { size: 3 };
  const sending = sendFile({ path: '/up', file: body, XMLHttpRequest: FakeRequest, ...options });
  return { ...sending, request: FakeRequest.last, body };
}

test('a file is posted and its answer read', async () => {
  const seen = [];
  const { answer, request, body } = sent({ headers: { a: 'b' }, onprogress: (n) => seen.push(n) });
  assert.deepEqual([request.method, request.path, request.body], ['POST', '/up', body]);
  assert.equal(request.headers.a, 'b');
  request.upload.dispatchEvent(Object.assign(new Event('progress'), { loaded: 2 }));
  request.answer(201, '{"media": {"id": "m"}}');
  assert.deepEqual(await answer, { media: { id: 'm' } });
  assert.deepEqual(seen, [2]);
});

test('a refusal, a broken line and an abort are told apart', async () => {
  const refused = sent();
  refused.request.retryAfter = '7';
  refused.request.answer(429, '{"code": "rate_limited", "error": "too many"}');
  await assert.rejects(refused.answer, { code: 'rate_limited', status: 429, retryAfter: 7 });
  const proxy = sent();
  proxy.request.answer(502, '<html>');
  await assert.rejects(proxy.answer, { code: '502', message: 'The hub answered 502.' });
  for (const type of ['error', 'timeout']) {
    const broken = sent();
    broken.request.dispatchEvent(new Event(type));
    await assert.rejects(broken.answer, { code: 'unreachable', status: 0 });
  }
  const aborted = sent();
  aborted.abort();
  await assert.rejects(aborted.answer, { code: 'aborted' });
});

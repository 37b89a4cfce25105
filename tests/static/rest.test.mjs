import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rest } from '../../static/client/rest.js';

function rest(response, options = {}) {
  const calls = [];
  const client = new Rest({
    fetch: async (url, request) => {
      calls.push({ url, ...request });
      return response instanceof Error ? Promise.reject(response) : response;
    },
    ...options,
  });
  return { client, calls };
}

function answer(status, body, headers = {}) {
  return new Response(typeof body === 'string' ? body : JSON.stringify(body), {
    status,
    headers,
  });
}

test('JSON goes out and comes back', async () => {
  const { client, calls } = rest(answer(201, { success: true, id: 7 }), {
    base: 'http://hub',
    key: 'hub_x',
  });
  assert.deepEqual(await client.post('/api/things', { name: 'a' }), { success: true, id: 7 });
  const [{ url, method, headers, body }] = calls;
  assert.deepEqual([url, method, body], ['http://hub/api/things', 'POST', '{"name":"a"}']);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers.authorization, 'Bearer hub_x');
});

test('a page sends its cookie and no key', async () => {
  const { client, calls } = rest(answer(200, {}));
  await client.get('/api/session');
  assert.equal(calls[0].credentials, 'same-origin');
  assert.equal(calls[0].headers.authorization, undefined);
});

test('a problem document becomes an error that names the fields', async () => {
  const errors = [{ pointer: '/name', message: 'is missing' }];
  const problem = {
    success: false,
    error: 'The body does not fit.',
    code: 'invalid_params',
    errors,
  };
  const { client } = rest(answer(422, problem));
  await assert.rejects(client.post('/x', {}), {
    name: 'HubError',
    message: 'The body does not fit.',
    code: 'invalid_params',
    status: 422,
    errors,
  });
});

test('retry-after is read', async () => {
  const { client } = rest(
    answer(429, { error: 'Slow down.', code: 'rate_limited' }, { 'retry-after': '30' }),
  );
  await assert.rejects(client.get('/x'), { code: 'rate_limited', retryAfter: 30 });
  const told = rest(answer(429, { error: 'Slow down.', code: 'rate_limited', retry_after: 7 }));
  await assert.rejects(told.client.get('/x'), { code: 'rate_limited', retryAfter: 7 });
});

test('a proxy that answers in HTML is still an error with a sentence', async () => {
  const { client } = rest(answer(502, '<h1>Bad gateway</h1>'));
  await assert.rejects(client.get('/x'), { message: 'The hub answered 502.', status: 502 });
});

test('an empty answer is an empty object', async () => {
  const { client } = rest(new Response(null, { status: 204 }));
  assert.deepEqual(await client.delete('/x'), {});
});

test('a hub out of reach has no status', async () => {
  const { client } = rest(new TypeError('fetch failed'));
  await assert.rejects(client.get('/x'), { code: 'unreachable', status: 0 });
});

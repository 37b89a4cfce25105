/** What the page of the REST door reads out of an OpenAPI document. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  address,
  boundsOf,
  exampleOf,
  matches,
  nameOf,
  resolve,
  resources,
  typeOf,
} from '../../static/docs/document.js';

const get = { operationId: 'teas.get', tags: ['teas'], summary: 'One tea' };
const create = { operationId: 'teas.create', tags: ['teas'], summary: 'Make a tea' };
const description = {
  tags: [{ name: 'teas', description: 'Teas.' }, { name: 'none' }],
  paths: { '/api/teas': { post: create }, '/api/teas/{id}': { get, parameters: [] } },
  components: { schemas: { Tea: { title: 'Tea' }, 'a/b': { title: 'odd' } } },
};

test('operations stand under their resource, in the order of the document', () => {
  const [teas, none] = resources(description);
  assert.deepEqual(
    teas.operations.map(({ id, method, path }) => [id, method, path]),
    [
      ['teas.create', 'POST', '/api/teas'],
      ['teas.get', 'GET', '/api/teas/{id}'],
    ],
  );
  assert.deepEqual(none, { name: 'none', description: '', operations: [] });
});

test('a search wants every word, wherever it stands', () => {
  const [, one] = resources(description)[0].operations;
  assert.ok(matches(one, ''));
  assert.ok(matches(one, 'GET tea'));
  assert.ok(matches(one, 'ONE teas.get'));
  assert.ok(!matches(one, 'tea post'));
});

test('references are followed, escapes and all', () => {
  assert.equal(resolve(description, { $ref: '#/components/schemas/Tea' }).title, 'Tea');
  assert.equal(resolve(description, { $ref: '#/components/schemas/a~1b' }).title, 'odd');
  assert.equal(resolve(description, { type: 'string' }).type, 'string');
  assert.equal(nameOf({ $ref: '#/components/schemas/Tea' }), 'Tea');
  assert.equal(nameOf({ type: 'string' }), '');
});

test('a type is said in a few words', () => {
  for (const [schema, words] of [
    [{ type: 'string' }, 'string'],
    [{ type: 'string', format: 'date-time' }, 'string, date-time'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 'string or null'],
    [{ type: 'array', items: { $ref: '#/components/schemas/Tea' } }, 'list of Tea'],
    [{ enum: ['a', 'b'] }, '"a" or "b"'],
    [{ const: true }, 'true'],
    [{}, 'anything'],
  ]) {
    assert.equal(typeOf(schema), words);
  }
});

test('bounds are said, and what keeps U+0000 out is not', () => {
  assert.deepEqual(boundsOf({ minimum: 1, maximum: 9, default: 3 }), ['from 1', 'to 9', '3 without it']);
  assert.deepEqual(boundsOf({ minLength: 1, pattern: '^[^\\x00]+$' }), ['not empty']);
  assert.deepEqual(boundsOf({ pattern: '^[a-z](?!\\n)$' }), ['like ^[a-z]$']);
  assert.deepEqual(boundsOf({ anyOf: [{ maxLength: 5 }, { type: 'null' }], default: null }), [
    'at most 5 characters',
  ]);
});

test('the first example is taken', () => {
  assert.equal(exampleOf({ example: 0 }), 0);
  assert.equal(exampleOf({ examples: { a: { value: 1 }, b: { value: 2 } } }), 1);
  assert.equal(exampleOf({}), undefined);
});

test('an address has its variables and what is said in the query', () => {
  const parameters = [
    { name: 'id', in: 'path' },
    { name: 'q', in: 'query' },
    { name: 'after', in: 'query' },
    { name: 'If-Match', in: 'header' },
  ];
  const values = new Map([
    ['id', 'a/b c'],
    ['q', 'tea & milk'],
    ['after', ''],
    ['If-Match', '"3"'],
  ]);
  assert.equal(address('/api/teas/{id}', parameters, values), '/api/teas/a%2Fb%20c?q=tea+%26+milk');
  assert.equal(address('/api/teas', [], new Map()), '/api/teas');
});

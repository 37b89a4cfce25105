import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeName, verdictOf } from '../../static/client/codes.js';

const DECISIONS = {
  stop: [1002, 1003, 1007, 1009, 4000, 4001, 4003, 4004, 4005, 4042],
  backoff: [
    1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 3000, 4100, 4101, 4102, 4103, 4104, 4105, 4106,
    4177,
  ],
  range: [4200, 4201, 4242],
};

for (const [next, codes] of Object.entries(DECISIONS)) {
  for (const code of codes) {
    test(`${code} means ${next}`, () => assert.equal(verdictOf(code).next, next));
  }
}

test('new credentials help where the old ones were not accepted', () => {
  const codes = [4000, 4001, 4003, 4004, 4005, 4105].filter((code) => verdictOf(code).credentials);
  assert.deepEqual(codes, [4001, 4005]);
});

test('every code is explained by a sentence, an unknown one by its reason', () => {
  assert.match(verdictOf(4103).message, /too slowly\.$/);
  assert.match(verdictOf(4177, 'tea time').message, /4177: tea time\.$/);
});

test('a list of closes names each', () => {
  assert.equal(closeName(4004), 'Removed by an operator');
  assert.equal(closeName(0), 'Ended in another way');
  assert.equal(closeName(4999), 'Unknown to this page');
});

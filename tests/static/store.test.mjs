import assert from 'node:assert/strict';
import { test } from 'node:test';
import { themePreference } from '../../static/state/preferences.js';
import { Rate } from '../../static/state/rate.js';
import { Store } from '../../static/state/store.js';

test('a watcher hears the value of now and every change, not what stays the same', () => {
  const store = new Store({ a: 1, b: 2 });
  const heard = [];
  const end = store.watch(({ a }) => heard.push(a));
  store.set({ a: 1 });
  store.set({ a: 3 });
  assert.deepEqual(store.value, { a: 3, b: 2 });
  end();
  store.set({ a: 4 });
  assert.deepEqual(heard, [1, 3]);
});

test('a watcher may end another while it is told', () => {
  const store = new Store({ a: 1 });
  const heard = [];
  store.watch(({ a }) => a === 2 && end());
  const end = store.watch(({ a }) => heard.push(a));
  store.set({ a: 2 });
  store.set({ a: 3 });
  assert.deepEqual(
    heard.filter((a) => a === 3),
    [],
  );
});

test('the rate counts whole seconds', () => {
  let now = 10_000;
  const rate = new Rate(60, () => now);
  for (let second = 0; second < 5; second += 1) {
    for (let event = 0; event < 20; event += 1) rate.add();
    now += 1_000;
  }
  assert.equal(rate.perSecond, 20);
  assert.deepEqual(rate.seconds.slice(-7), [0, 20, 20, 20, 20, 20, 0]);
  now += 3_600_000;
  assert.equal(rate.perSecond, 0);
  assert.equal(rate.seconds.length, 60);
});

test('a clock that is set back does no harm', () => {
  let now = 100_000;
  const rate = new Rate(60, () => now);
  rate.add();
  now -= 50_000;
  rate.add();
  assert.equal(rate.seconds.at(-1), 2);
});

test('a theme is kept, and what is not a theme is not', () => {
  const kept = new Map([['hub.theme', 'dark']]);
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
  };
  const preference = themePreference(storage);
  assert.equal(preference.store.value.theme, 'dark');
  preference.choose('light');
  assert.equal(kept.get('hub.theme'), 'light');
  kept.set('hub.theme', '"><script>');
  assert.equal(themePreference(storage).store.value.theme, 'system');
});

test('a browser that forbids storage still has a theme', () => {
  const fail = () => {
    throw new Error('forbidden');
  };
  const preference = themePreference({ getItem: fail, setItem: fail });
  preference.choose('dark');
  assert.equal(preference.store.value.theme, 'dark');
  assert.equal(themePreference(null).store.value.theme, 'system');
});

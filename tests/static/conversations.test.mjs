// Conversations: whose number it is, which events concern one, and pages that follow them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import {
  concerns,
  followConversations,
  followMessages,
  nameOf,
  PAGE,
  phoneOf,
} from '../../static/state/conversations.js';
import { FakeClock, settled } from './support.mjs';

class FakeHub extends Emitter {
  status = { state: 'live' };
  asked = [];
  rows = [];

  async ask(method, params) {
    this.asked.push([method, params]);
    const begin = params.after ? this.rows.findIndex(({ id }) => id === params.after) + 1 : 0;
    const page = this.rows.slice(begin, begin + params.limit);
    const more = begin + page.length < this.rows.length;
    const next = more ? page.at(-1).id : null;
    return { result: { conversations: page, messages: page, next }, offset: 1 };
  }
}

function rows(count, extra = {}) {
  return Array.from({ length: count }, (_, n) => ({ id: `m-${n}`, provider_id: `p-${n}`, ...extra }));
}

test('a number is the same however a gateway writes it', () => {
  for (const given of ['263771', '+263771', ' 263771 ', '263771@c.us', '263771:12@s.whatsapp.net']) {
    assert.equal(phoneOf(given), '263771', given);
  }
  assert.equal(phoneOf('1203@g.us'), '1203');
  for (const nobody of [undefined, null, 7, '', ' + ']) assert.equal(phoneOf(nobody), '');
});

test('a conversation is named as people write it', () => {
  assert.equal(nameOf({ phone: '263771234567' }), '+263771234567');
  assert.equal(nameOf({ phone: 'till' }), 'till');
  assert.equal(nameOf({ phone: '1203', chat: '1203@g.us' }), 'Group 1203');
});

test('an event concerns the conversation of its number, or of a message that is shown', () => {
  const shown = rows(2);
  const about = (type, data) => concerns({ type, data }, '263771', shown);
  assert.ok(about('message_received', { fromPhone: '+263771' }));
  assert.ok(about('message_sent', { toPhone: '263771@c.us' }));
  assert.ok(!about('message_received', { fromPhone: '+263772' }));
  assert.ok(about('message_read', { messageId: 'p-1' }));
  assert.ok(!about('message_read', { messageId: 'p-9' }));
  assert.ok(!about('order_created', { fromPhone: '+263771' }));
  assert.ok(!about('message_read', undefined));
});

test('messages are read as far as somebody wants to see them, and again when one comes', async () => {
  const hub = new FakeHub();
  const clock = new FakeClock();
  hub.rows = rows(120);
  const pages = followMessages(hub, { phone: '263771', merchant_id: 'm' }, clock);
  clock.pass(0);
  await settled();
  assert.deepEqual(hub.asked, [
    ['conversations.get', { phone: '263771', merchant_id: 'm', limit: PAGE }],
  ]);
  assert.equal(pages.store.value.value.rows.length, PAGE);
  assert.equal(pages.store.value.value.more, true);
  pages.more();
  clock.pass(1_000);
  await settled();
  assert.equal(pages.store.value.value.rows.length, 2 * PAGE);
  hub.rows = [{ id: 'new', provider_id: 'p-new' }, ...hub.rows];
  hub.emit('event', { type: 'message_received', data: { fromPhone: '+263772' } });
  clock.pass(1_000);
  await settled();
  assert.equal(pages.store.value.value.rows[0].id, 'm-0', 'it is somebody else');
  hub.emit('event', { type: 'message_received', data: { fromPhone: '+263771' } });
  clock.pass(1_000);
  await settled();
  assert.equal(pages.store.value.value.rows[0].id, 'new');
  assert.equal(pages.store.value.value.rows.length, 2 * PAGE);
  pages.stop();
  hub.emit('event', { type: 'message_received', data: { fromPhone: '+263771' } });
  const before = hub.asked.length;
  clock.pass(10_000);
  await settled();
  assert.equal(hub.asked.length, before);
});

test('a burst of messages is read four times a second, and its end is not missed', async () => {
  const hub = new FakeHub();
  const clock = new FakeClock();
  const pages = followConversations(hub, {}, clock);
  clock.pass(0);
  await settled();
  const before = hub.asked.length;
  for (let n = 0; n < 100; n += 1) {
    hub.rows = [{ id: `c-${n}` }, ...hub.rows];
    hub.emit('event', { type: 'message_received', data: { fromPhone: String(n) } });
    clock.pass(10);
    await settled();
  }
  clock.pass(250);
  await settled();
  assert.ok(hub.asked.length - before <= 6, `${hub.asked.length - before} readings in a second`);
  assert.equal(pages.store.value.value.rows[0].id, 'c-99');
  pages.stop();
});

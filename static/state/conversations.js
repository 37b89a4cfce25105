/**
 * Conversations, and what was said in one: read again when the log tells of a message.
 *
 * A message's event need not say in its subject whom it is about, so it is not read row by row: what
 * is shown is read again as a whole, at most four times a second.
 */
import { Followed } from './followed.js';

export const PAGE = 50;
/** The most that the hub gives at once. */
const MOST = 1_000;
const MESSAGE = /^message_(received|sent|delivered|read|failed)$/;
const PERSON = /@(s\.whatsapp\.net|c\.us)$/i;
const GROUP = /@g\.us$/i;

/**
 * @typedef {object} Conversation
 * @property {string} phone
 * @property {string | null} chat
 * @property {string | null} text the beginning of the last message
 * @property {'inbound' | 'outbound'} direction of the last message
 * @property {string} status of the last message
 * @property {string} at
 * @property {number} count messages
 * @property {string} last_message_id
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {'inbound' | 'outbound'} direction
 * @property {string} phone
 * @property {string | null} chat
 * @property {string | null} text
 * @property {string} type
 * @property {string | null} template_id
 * @property {string | null} provider_id
 * @property {string} status
 * @property {string | null} error
 * @property {string} created_at
 */

/**
 * Whom a gateway means, as the hub stores it: `+263771`, `263771@s.whatsapp.net` → `263771`.
 * @param {unknown} given
 * @returns {string} empty for what names nobody
 */
export function phoneOf(given) {
  if (typeof given !== 'string') return '';
  const whole = given.replace(/^[\s+]+|\s+$/g, '');
  if (PERSON.test(whole)) return whole.replace(PERSON, '').split(':', 1)[0].trim();
  return whole.replace(GROUP, '').trim();
}

/** @param {{ phone: string, chat?: string | null }} of @returns {string} as people write it */
export function nameOf({ phone, chat }) {
  if (chat) return `Group ${phone}`;
  return /^\d{7,15}$/.test(phone) ? `+${phone}` : phone;
}

/**
 * Whether an event changes what is shown of a conversation.
 * @param {{ type: string, data?: any }} frame
 * @param {string} phone
 * @param {Message[]} shown
 */
export function concerns({ type, data }, phone, shown) {
  if (!MESSAGE.test(type)) return false;
  const named = phoneOf(data?.fromPhone ?? data?.toPhone);
  if (named) return named === phone;
  return shown.some(({ provider_id: id }) => id === data?.messageId);
}

/**
 * @template T
 * @typedef {object} Pages
 * @property {import('./store.js').Store<import('./followed.js').FollowedState<{ rows: T[], more: boolean }>>} store
 * @property {() => void} more reads a page more
 * @property {() => void} retry
 * @property {() => void} stop
 */

/**
 * The conversations of one merchant, the newest first.
 * @param {import('../client/hub.js').Hub} hub
 * @param {{ merchant_id?: string }} whose
 * @param {import('../client/clock.js').Clock} [clock]
 * @returns {Pages<Conversation>}
 */
export function followConversations(hub, whose, clock) {
  return follow(hub, 'conversations.list', 'conversations', whose, {
    about: ({ type }) => MESSAGE.test(type),
    clock,
  });
}

/**
 * What one merchant and one customer wrote, the newest first.
 * @param {import('../client/hub.js').Hub} hub
 * @param {{ merchant_id?: string, phone: string }} which
 * @param {import('../client/clock.js').Clock} [clock]
 * @returns {Pages<Message>}
 */
export function followMessages(hub, which, clock) {
  return follow(hub, 'conversations.get', 'messages', which, {
    about: (frame, shown) => concerns(frame, which.phone, shown),
    clock,
  });
}

function follow(hub, method, plural, params, { about, clock }) {
  let wanted = PAGE;
  /** @type {any[]} */
  let shown = [];
  const followed = new Followed(hub, {
    read: async () => {
      const rows = [];
      let after = '';
      do {
        const limit = Math.min(wanted - rows.length, MOST);
        const { result } = await hub.ask(method, { ...params, limit, ...(after && { after }) });
        rows.push(...result[plural]);
        after = result.next;
      } while (after && rows.length < wanted);
      shown = rows;
      return { rows, more: Boolean(after) };
    },
    concerns: (frame) => about(frame, shown),
    ...(clock && { clock }),
  });
  return {
    store: followed.store,
    more() {
      wanted += PAGE;
      followed.touch();
    },
    retry: () => followed.touch(),
    stop: () => followed.stop(),
  };
}

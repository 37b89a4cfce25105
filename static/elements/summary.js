/**
 * What an event says, in one line, and which family of events it belongs to.
 */
import { counted, grouped } from './format.js';
import { money } from './money.js';

const FAMILIES = {
  order: 'order',
  message: 'message',
  payment: 'payment',
  delivery: 'delivery',
  product: 'product',
  media: 'product',
  template: 'product',
  bot: 'system',
  job: 'system',
  key: 'system',
  presence: 'system',
  typing: 'system',
  webhook: 'custom',
  custom: 'custom',
};

/**
 * @param {string} type
 * @returns {string} the name of its colour in the style sheets
 */
export function familyOf(type) {
  return FAMILIES[type.slice(0, type.indexOf('_'))] ?? 'system';
}

/** What the hub itself tells has its currency beside it; what others tell may not. */
function amount(value, currency) {
  if (typeof value !== 'number') return String(value);
  return typeof currency === 'string' ? money(value, currency) : grouped(value);
}

/** @type {Record<string, (data: any) => (string | false | undefined)[]>} */
const LINES = {
  message_received: (data) => [data.fromPhone, data.text],
  message_sent: (data) => [`to ${data.toPhone}`, data.text],
  order_created: (data) => [
    data.orderId,
    Array.isArray(data.items) && counted(data.items.length, 'item'),
    `total ${amount(data.totalAmount, data.currency)}`,
    data.customerId,
  ],
  order_status_changed: (data) => [data.orderId, `${data.oldStatus} → ${data.newStatus}`],
  product_updated: (data) => [
    data.name,
    `price ${amount(data.price, data.currency)}`,
    `${amount(data.stock)} in stock`,
  ],
  payment_received: (data) => [
    data.orderId,
    `${amount(data.amount, data.currency)} by ${data.paymentMethod}`,
    data.transactionId,
  ],
  delivery_started: (data) => [data.orderId, `driver ${data.driverId}`],
  delivery_completed: (data) => [
    data.orderId,
    typeof data.signature === 'string' && `signed ${data.signature}`,
  ],
  template_created: (data) => [data.name, data.type, data.status],
  bot_connected: (data) => [data.botStatus],
  bot_disconnected: (data) => [data.reason],
};

const MAX_LENGTH = 240;

/**
 * @param {{ type: string, data?: any }} event
 * @returns {string}
 */
export function summaryOf({ type, data = {} }) {
  const parts = LINES[type]?.(data).filter(Boolean) ?? fields(data);
  return parts.join('  ·  ').slice(0, MAX_LENGTH);
}

function fields(data) {
  const parts = [];
  let length = 0;
  for (const [name, value] of Object.entries(data)) {
    // A row shows one line: a data object of 64 KiB is not written out to be cut off again.
    if (length > MAX_LENGTH) break;
    const part = `${name}: ${brief(value)}`;
    length += part.length;
    parts.push(part);
  }
  return parts;
}

function brief(value) {
  if (Array.isArray(value)) return counted(value.length, 'value');
  if (value !== null && typeof value === 'object') return '{…}';
  return String(value).slice(0, MAX_LENGTH);
}

/**
 * @param {{ from: number | null, to: number | null, reason: string }} gap
 * @returns {string}
 */
export function gapText({ from, to, reason }) {
  if (reason === 'epoch' || from === null || to === null) {
    return 'The hub’s log was started anew: what is below belongs to the old one';
  }
  const count = to - from + 1;
  const verb = count === 1 ? 'is' : 'are';
  return `${counted(count, 'event')} ${verb} no longer stored (#${grouped(from)} – #${grouped(to)})`;
}

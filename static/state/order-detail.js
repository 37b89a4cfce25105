/**
 * Everything about one order: itself, its payments, its deliveries, and what happened to it.
 */
import { Followed } from './followed.js';

/** More of each than an order has in a shop. */
const MOST = 200;

/**
 * @typedef {object} OrderDetail
 * @property {import('./orders.js').Order} order
 * @property {Payment[]} payments oldest first
 * @property {number} paid in minor units
 * @property {any[]} deliveries
 * @property {any[]} events oldest first
 *
 * @typedef {object} Payment
 * @property {string} id
 * @property {number} amount in minor units
 * @property {string} currency
 * @property {string} method
 * @property {string} transaction_id
 * @property {string} created_at
 */

/**
 * @param {import('../client/hub.js').Hub} hub
 * @param {string} id
 * @param {import('../client/clock.js').Clock} [clock]
 * @returns {Followed<OrderDetail>}
 */
export function followOrder(hub, id, clock) {
  return new Followed(hub, {
    read: () => readOrder(hub, id),
    concerns: ({ subject, data }) => subject === `order/${id}` || data?.orderId === id,
    clock,
  });
}

async function readOrder(hub, id) {
  const about = { id, limit: MOST };
  const [{ order }, { payments }, { delivery_tasks: deliveries }, { events }] = await Promise.all([
    hub.call('orders.get', { id }),
    hub.call('orders.payments', about),
    hub.call('delivery_tasks.list', { order_id: id, limit: MOST }),
    hub.call('orders.timeline', about),
  ]);
  const paid = payments.reduce((sum, { amount }) => sum + amount, 0);
  return { order, payments, paid, deliveries, events };
}

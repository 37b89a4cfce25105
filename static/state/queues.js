/**
 * The four queues as the hub tells of them, read again while somebody looks.
 */
import { Poll } from './poll.js';

/**
 * @typedef {object} Queue what `queues.stats` says of one
 * @property {string} name
 * @property {boolean} paused whether its jobs stand still, for who asks
 * @property {number} concurrency tasks of a worker at the same time
 * @property {number} waiting
 * @property {number} active
 * @property {number} delayed scheduled, or to be tried again
 * @property {number} completed
 * @property {number} failed those delayed whose last attempt has failed
 * @property {number} dead
 * @property {number | null} oldest_seconds how long the longest waits
 * @property {number} per_minute that were finished
 * @property {number | null} p95_ms how long a job runs
 * @property {number} awaiting_bot
 * @property {'one' | 'everybody' | null} paused_for
 * @property {number} workers
 *
 * @typedef {object} Stats
 * @property {Queue[]} queues
 * @property {{ state: string, reason: string }} broker
 */

/** @type {Record<string, string>} */
export const QUEUE_TITLES = {
  message_sending: 'Messages',
  order_processing: 'Orders',
  media_processing: 'Pictures',
  webhook_delivery: 'Webhooks',
};

/** @param {string} name @returns {string} what people call a queue */
export function queueTitle(name) {
  return QUEUE_TITLES[name] ?? name;
}

/**
 * @param {Pick<import('../client/hub.js').Hub, 'call'>} hub
 * @param {() => string | null} merchantId whose work an admin has chosen; null for everybody's
 * @returns {Poll<Stats>}
 */
export function queuePoll(hub, merchantId) {
  function read() {
    const id = merchantId();
    return hub.call('queues.stats', id === null ? {} : { merchant_id: id });
  }
  return new Poll({ read });
}

/**
 * Whether jobs may have moved that no event tells of: parts of a bulk send, deliveries.
 * @param {Stats | null} before
 * @param {Stats | null} now
 */
export function moved(before, now) {
  const sum = (stats) =>
    JSON.stringify(
      stats?.queues.map(({ waiting, active, delayed, completed, dead }) => [
        waiting, active, delayed, completed, dead,
      ]),
    );
  return before !== null && now !== null && sum(before) !== sum(now);
}

/**
 * What stands in the way of the work, a sentence; empty where nothing does.
 * @param {Stats} stats
 */
export function hindrance({ queues, broker }) {
  if (broker.state === 'down') {
    return 'The broker is away. Jobs wait in the database and go on when it is back.';
  }
  const waiting = queues.filter((queue) => queue.workers === 0 && queue.waiting > 0);
  if (waiting.length > 0) {
    const names = waiting.map(({ name }) => queueTitle(name)).join(', ');
    return `No worker is there for: ${names}. Jobs wait until one starts.`;
  }
  return '';
}

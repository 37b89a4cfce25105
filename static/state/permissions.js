/**
 * What each role may do, as far as the screens ask for it: to offer a person what the hub would
 * refuse helps nobody. The hub decides; this only hides.
 */

const OPERATORS = new Set(['admin', 'merchant']);
/** Who takes part in the business: a bot takes orders and payments. */
const SELLERS = new Set(['admin', 'merchant', 'bot']);
const EVERYBODY = new Set(['admin', 'merchant', 'viewer', 'bot']);

/** What bots change too. Orders and deliveries they do not remove. */
const SOLD = new Set(['orders', 'delivery_tasks', 'media']);
const KEPT = new Set(['orders.delete', 'delivery_tasks.delete']);
const READING = new Set(['list', 'get', 'search', 'timeline', 'payments', 'media', 'versions']);
READING.add('version').add('diff').add('preview').add('show');
/** What people watch; a bot asks how one job is, and no more. */
const WATCHERS = new Set(['admin', 'merchant', 'viewer']);
const WATCHED = new Set(['jobs.list', 'jobs.get', 'queues.stats', 'recurring.list']);
WATCHED.add('recurring.get');
/** What only operators see. */
const INSIDE = new Set(['sessions', 'audit', 'keys', 'webhooks']);

/**
 * @param {string} role
 * @param {string} method such as `orders.set_status`
 * @returns {boolean} whether a screen offers it
 */
export function may(role, method) {
  const [plural, verb] = method.split('.');
  if (INSIDE.has(plural)) return OPERATORS.has(role);
  if (WATCHED.has(method)) return WATCHERS.has(role);
  if (method === 'jobs.status') return true;
  if (method === 'messages.send') return SELLERS.has(role);
  if (READING.has(verb)) return EVERYBODY.has(role);
  if (method === 'merchants.create') return role === 'admin';
  const sold = SOLD.has(plural) && !KEPT.has(method);
  return (sold ? SELLERS : OPERATORS).has(role);
}

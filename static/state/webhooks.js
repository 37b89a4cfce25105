/**
 * Webhooks as the screen shows them: how each fares, and what was tried.
 */

/**
 * @typedef {object} Webhook what the hub calls one
 * @property {string} id
 * @property {string} merchant_id
 * @property {string} url
 * @property {string[]} event_types
 * @property {boolean} is_active
 * @property {number} retry_count attempts that failed since the last success
 * @property {string | null} last_triggered_at
 * @property {string | null} failing_since
 * @property {string | null} disabled_reason
 * @property {number} version
 * @property {string} updated_at
 *
 * @typedef {object} Attempt what the hub calls a log of one
 * @property {string} id
 * @property {string} delivery_id
 * @property {string} event_id
 * @property {number} attempt
 * @property {'pending' | 'success' | 'failed' | 'dead'} status
 * @property {any} payload
 * @property {number | null} response_status
 * @property {string | null} response_body
 * @property {number | null} duration_ms
 * @property {string | null} error_message
 * @property {string | null} next_retry_at
 * @property {string} created_at
 */

/** More endpoints than this are a page of their own, which nobody looks through. */
const MOST = 1_000;
const PAGE = 200;

/**
 * How an endpoint fares, in a word of the status pills.
 * @param {Webhook} webhook
 * @returns {'disabled' | 'inactive' | 'failing' | 'working' | 'new'}
 */
export function healthOf({ is_active: active, disabled_reason: reason, ...rest }) {
  if (!active) return reason ? 'disabled' : 'inactive';
  if (rest.retry_count > 0 || rest.failing_since) return 'failing';
  return rest.last_triggered_at ? 'working' : 'new';
}

/**
 * @param {Pick<import('../client/hub.js').Hub, 'call'>} hub
 * @param {string | null} merchantId
 * @returns {Promise<Webhook[]>}
 */
export async function readWebhooks(hub, merchantId) {
  const found = [];
  let after = '';
  do {
    const params = { limit: PAGE, ...(after && { after }) };
    if (merchantId !== null) Object.assign(params, { merchant_id: merchantId });
    const page = await hub.call('webhooks.list', params);
    found.push(...page.webhooks);
    after = page.next ?? '';
  } while (after && found.length < MOST);
  return found;
}

/**
 * @param {Webhook} webhook
 * @param {string} find
 */
export function webhookMatches({ url, event_types: types, id }, find) {
  const text = `${url} ${types.join(' ')} ${id}`.toLowerCase();
  return text.includes(find.toLowerCase());
}

/**
 * The patterns in a field: one a line, or with commas.
 * @param {string} text
 * @returns {string[]}
 */
export function typesIn(text) {
  return text.split(/[\s,]+/u).filter(Boolean);
}

/**
 * What an attempt came to, for people.
 * @param {Attempt} attempt
 */
export function answerOf({ response_status: status, error_message: error, status: how }) {
  if (status !== null) return error ? `${status} · ${error}` : String(status);
  return error ?? (how === 'pending' ? 'not yet' : '');
}

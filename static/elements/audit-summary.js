/**
 * What a row of the audit says, in words.
 */

/** @type {Record<string, string>} */
export const KINDS = {
  delivery_task: 'delivery task',
  key: 'key',
  media: 'media file',
  merchant: 'merchant',
  message: 'message',
  order: 'order',
  payment: 'payment',
  product: 'product',
  product_media: 'product picture',
  template: 'template',
  template_version: 'template version',
  webhook: 'webhook',
};

/** @type {Record<string, { verb: string, label: string, sign: string }>} */
export const ACTIONS = {
  CREATE: { verb: 'made', label: 'Made', sign: '+' },
  UPDATE: { verb: 'changed', label: 'Changed', sign: '~' },
  DELETE: { verb: 'deleted', label: 'Deleted', sign: '−' },
};

/** What every change changes, which says nothing about it. */
const BOOKKEEPING = new Set(['version', 'updated_at']);
/** What tells whose a row is and where it comes from: read after what it says. */
const ORIGIN = new Set(['id', 'merchant_id', 'created_at', 'created_by']);
/** A value that is longer is not told in a sentence. */
const SHORT = 32;
const NAMED = 3;

/** @param {string} type @returns {string} what one of them is called */
export function kindOf(type) {
  return KINDS[type] ?? type.replaceAll('_', ' ');
}

/** @param {import('../state/audit.js').AuditRow} row @returns {string} */
export function targetName({ before, after, target_id: id }) {
  const state = after ?? before ?? {};
  const name = state.name ?? state.original_name ?? state.url;
  return typeof name === 'string' && name ? name : shortId(id);
}

/** @param {string} id @returns {string} the part that tells it from others */
export function shortId(id) {
  return id.length > 16 ? `…${id.slice(-8)}` : id;
}

/** @param {import('../state/audit.js').AuditRow['actor']} actor @returns {string} */
export function actorName({ id, name }) {
  if (id === null) return 'the hub';
  return name ?? shortId(id);
}

/**
 * @param {import('../state/audit.js').AuditRow} row
 * @returns {{ verb: string, kind: string, name: string, detail: string }} `changed`, `key`,
 *   `till-1`, `revoked`
 */
export function sentenceParts(row) {
  const verb = ACTIONS[row.action]?.verb ?? row.action.toLowerCase();
  const detail = row.action === 'UPDATE' ? detailOf(row.changes) : '';
  return { verb, kind: kindOf(row.target_type), name: targetName(row), detail };
}

/** @param {import('../state/audit.js').AuditRow} row @returns {string} */
export function sentenceOf(row) {
  const { verb, kind, name, detail } = sentenceParts(row);
  return `${verb} ${kind} ${name}${detail ? `: ${detail}` : ''}`;
}

/**
 * The order in which changes are read: the name first, what says nothing last.
 * @param {import('../state/audit.js').Change[]} changes
 */
export function orderedChanges(changes) {
  const rank = ({ field }) => {
    if (field === 'name') return 0;
    return 1 + Number(ORIGIN.has(field)) + 2 * Number(BOOKKEEPING.has(field));
  };
  return [...changes].sort((a, b) => rank(a) - rank(b));
}

function detailOf(changes) {
  const told = changes.filter(({ field }) => !BOOKKEEPING.has(field));
  const revoked = told.find(({ field, before }) => field === 'revoked_at' && before === null);
  if (revoked) return 'revoked';
  if (told.length === 0) return '';
  if (told.length === 1 && told.every(isShort)) {
    const [{ field, before, after }] = told;
    return `${words(field)} ${shown(before)} → ${shown(after)}`;
  }
  const names = told.slice(0, NAMED).map(({ field }) => words(field));
  const rest = told.length - names.length;
  if (rest > 0) return `${names.join(', ')} and ${rest} more`;
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0];
}

function isShort({ before, after }) {
  return [before, after].every(
    (value) => (value === null || typeof value !== 'object') && shown(value).length <= SHORT,
  );
}

function words(field) {
  return field.replaceAll('_', ' ');
}

function shown(value) {
  return value === null ? 'none' : String(value);
}

/**
 * Templates, as lists of them are asked for and narrowed.
 */

/**
 * @typedef {object} Template
 * @property {string} id
 * @property {string} merchant_id
 * @property {string} name
 * @property {string} description
 * @property {'text' | 'buttons' | 'list' | 'media'} type
 * @property {string} language
 * @property {string | null} header
 * @property {string | null} body
 * @property {string | null} footer
 * @property {string | null} button_text
 * @property {{ id: string, label: string, callback_data?: string }[] | null} buttons
 * @property {{ title?: string, rows: { id: string, title: string, description?: string }[] }[] |
 *   null} sections
 * @property {{ type: 'image' | 'document', url?: string, media_id?: string, caption?: string } |
 *   null} media
 * @property {string[]} variables
 * @property {Record<string, any> | null} example_payload
 * @property {'draft' | 'active' | 'archived'} status
 * @property {number} version
 * @property {string} updated_at
 */

/** @type {[string, string][]} */
export const TYPES = [
  ['text', 'Text'],
  ['buttons', 'Buttons'],
  ['list', 'List'],
  ['media', 'Media'],
];
/** @type {[string, string][]} */
export const STATUSES = [
  ['draft', 'Draft'],
  ['active', 'Active'],
  ['archived', 'Archived'],
];

/**
 * The question of a collection for these templates.
 * @param {{ type: string, status: string, merchantId: string | null }} filter
 */
export function templateQuestion({ type, status, merchantId }) {
  const params = {
    ...(merchantId && { merchant_id: merchantId }),
    ...(type && { type }),
    ...(status && { status }),
  };
  return {
    parts: { all: params },
    accepts: (template) => {
      return (!type || template.type === type) && (!status || template.status === status);
    },
  };
}

/**
 * @param {Template} template
 * @param {string} find part of its name or its description
 * @returns {boolean}
 */
export function templateMatches({ name, description }, find) {
  const wanted = find.toLowerCase();
  // People write `order status` for `order_status`.
  const names = [name, name.replaceAll('_', ' '), description.toLowerCase()];
  return names.some((each) => each.includes(wanted));
}

/** @param {Template} template @returns {string} what it says, in one line */
export function gist({ header, body, media }) {
  const text = [header, body || media?.caption || media?.url].filter(Boolean).join(' · ');
  return text.replace(/\s+/g, ' ').slice(0, 200);
}

/**
 * The texts of templates: the placeholders in them, how long they are, and how long WhatsApp lets
 * them be. As `hub/templates` counts: in code points, a placeholder as the value that stands in it.
 */

/** Most characters of each text; as in `hub/templates/limits.py`. */
export const LIMITS = {
  name: 50,
  description: 200,
  text: 4096,
  body: 1024,
  header: 60,
  footer: 60,
  opener: 20,
  label: 20,
  buttonId: 256,
  sectionTitle: 24,
  rowTitle: 24,
  rowDescription: 72,
  rowId: 200,
  address: 2048,
};
/** Reply buttons of one message; with more it is sent as a list. */
export const BUTTONS = 3;
/** Buttons, sections, and rows in all sections. */
export const CHOICES = 10;

/** `{{name}}`; the blanks are those of the hub, which are not quite those of JavaScript. */
const BLANK = '(?:(?!\\ufeff)[\\s\\x1c-\\x1f\\x85])*';
const PLACEHOLDER = new RegExp(`\\{\\{${BLANK}([A-Za-z0-9_]{1,64})${BLANK}\\}\\}`, 'g');

/**
 * @typedef {Record<string, unknown>} Values what stands for each name; without one it stays visible
 */

/** @param {string} name @returns {string} a placeholder as it is written */
export function placeholder(name) {
  return `{{${name}}}`;
}

/** @param {string} text @returns {boolean} whether a placeholder may be called so */
export function isVariable(text) {
  return /^[A-Za-z0-9_]{1,64}$/.test(text);
}

/**
 * @param {(string | null | undefined)[]} texts
 * @returns {string[]} the names of their placeholders, in order of first appearance
 */
export function variablesOf(texts) {
  const names = texts.flatMap((text) => {
    return [...(text ?? '').matchAll(PLACEHOLDER)].map(([, name]) => name);
  });
  return [...new Set(names)];
}

/**
 * @param {string} text
 * @param {Values} values
 * @param {boolean} [address] whether values are percent-encoded in it
 * @returns {number} code points, once the values stand in it; a placeholder without one is none
 */
export function lengthOf(text, values = {}, address = false) {
  const filled = text.replace(PLACEHOLDER, (_, name) => {
    const value = Object.hasOwn(values, name) ? String(values[name]) : '';
    return address ? encoded(value) : value;
  });
  return [...filled].length;
}

/** As long as Python's `quote(value, safe='')`, which leaves less as it is. */
function encoded(value) {
  return encodeURIComponent(value.toWellFormed()).replace(/[!'()*]/g, '%00');
}

/**
 * @param {string} text
 * @param {number} start where the selection begins
 * @param {number} end
 * @param {string} name
 * @returns {{ text: string, at: number }} with the placeholder in place of what is selected, and
 *   where the cursor stands behind it
 */
export function insertVariable(text, start, end, name) {
  const added = placeholder(name);
  return { text: text.slice(0, start) + added + text.slice(end), at: start + added.length };
}

/**
 * An id for a choice, made of what a person reads.
 * @param {string} label
 * @param {string[]} taken by other choices
 * @returns {string} `pay_now`, `pay_now_2`; empty for a label without letters or digits
 */
export function idFor(label, taken) {
  const words = label.replace(PLACEHOLDER, ' ').normalize('NFKD').toLowerCase();
  const base = words
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 40);
  if (!base) return '';
  for (let id = base, n = 2; ; id = `${base}_${n}`, n += 1) if (!taken.includes(id)) return id;
}

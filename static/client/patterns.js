/**
 * Type patterns: an exact type, or a prefix that ends in one `*`; at most 32 in a list.
 */

export const MAX_PATTERNS = 32;

const SHAPE = /^[A-Za-z0-9][\w.-]*\*?$|^\*$/;

/**
 * Reads what a person typed: words divided by commas or spaces. A word that cannot be a whole type
 * (`order`, `order_`) is meant as a prefix.
 *
 * @param {string} text
 * @returns {{ patterns: string[], problem: string | null }}
 */
export function parsePatterns(text) {
  const words = text.split(/[\s,]+/).filter(Boolean);
  const patterns = [];
  for (const word of words) {
    const whole = word.endsWith('*') || (word.includes('_') && !word.endsWith('_'));
    const pattern = whole ? word : `${word}*`;
    if (!SHAPE.test(pattern)) {
      return { patterns: [], problem: `“${word}” is not a type or a prefix such as order_*` };
    }
    if (!patterns.includes(pattern)) patterns.push(pattern);
  }
  if (patterns.length > MAX_PATTERNS) {
    return { patterns: [], problem: `At most ${MAX_PATTERNS} patterns can be used at once` };
  }
  return { patterns, problem: null };
}

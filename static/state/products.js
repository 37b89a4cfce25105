/**
 * Products, as lists of them are asked for and narrowed.
 */

/**
 * @typedef {object} Product
 * @property {string} id
 * @property {string} merchant_id
 * @property {string} name
 * @property {string} description
 * @property {string | null} category
 * @property {number} price in minor units of `currency`
 * @property {string} currency
 * @property {number} stock
 * @property {boolean} is_active
 * @property {number} version
 * @property {string} updated_at
 *
 * @typedef {object} Picture
 * @property {string} id
 * @property {string} media_id
 * @property {boolean} is_primary
 * @property {string} url
 * @property {number | null} width pixels
 * @property {number | null} height
 * @property {string | null} placeholder
 */

/** So few that somebody should know. */
export const LOW_STOCK = 5;

/**
 * The question of a collection for these products. Where it is known whose they are, the hub
 * searches all of them; else what is shown is searched here.
 *
 * @param {object} filter
 * @param {string} filter.find
 * @param {string} filter.active `true`, `false` or empty for both
 * @param {string | null} filter.merchantId
 * @param {boolean} [filter.own] whether the reader belongs to one merchant
 */
export function productQuestion({ find, active, merchantId, own = false }) {
  const whose = merchantId ? { merchant_id: merchantId } : {};
  const state = active ? { is_active: active === 'true' } : {};
  const wanted = (product) => !active || String(product.is_active) === active;
  const searched = find !== '' && (merchantId !== null || own);
  return {
    list: searched ? 'products.search' : 'products.list',
    parts: { all: searched ? { ...whose, q: find } : { ...whose, ...state } },
    accepts: (product) => wanted(product) && (!searched || productMatches(product, find)),
  };
}

/**
 * @param {Product} product
 * @param {string} find part of its name
 * @returns {boolean}
 */
export function productMatches({ name }, find) {
  return name.toLowerCase().includes(find.toLowerCase());
}

/** @param {Product} product @returns {'out of stock' | 'low stock' | 'in stock'} */
export function stockState({ stock }) {
  if (stock === 0) return 'out of stock';
  return stock <= LOW_STOCK ? 'low stock' : 'in stock';
}

/**
 * What of a product differs from what was there before.
 * @param {Product} before
 * @param {Record<string, any>} after its fields by their names
 * @returns {Record<string, any>}
 */
export function changesOf(before, after) {
  return Object.fromEntries(
    Object.entries(after).filter(([name, value]) => !Object.is(before[name], value)),
  );
}

/**
 * The files of a product in another order.
 * @param {string[]} ids
 * @param {string} id
 * @param {1 | -1} step
 * @returns {string[]} as they were, at the end
 */
export function moved(ids, id, step) {
  const at = ids.indexOf(id);
  const to = at + step;
  if (at < 0 || to < 0 || to >= ids.length) return ids;
  const result = [...ids];
  [result[at], result[to]] = [result[to], result[at]];
  return result;
}

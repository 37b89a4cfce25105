/**
 * Amounts: whole numbers of a currency's minor unit on the wire, written as people write them.
 */

/** @type {Map<string, Intl.NumberFormat | null>} */
const formats = new Map();

/** @param {string} currency @returns {Intl.NumberFormat | null} null for what is no currency */
function formatOf(currency) {
  if (!formats.has(currency)) {
    let format = null;
    try {
      format = new Intl.NumberFormat('en-US', {
        style: 'currency',
        currency,
        currencyDisplay: 'narrowSymbol',
      });
    } catch {
      // Not three letters: the amount is shown with the name as it is.
    }
    formats.set(currency, format);
  }
  return formats.get(currency);
}

/**
 * @param {string} currency three letters (ISO 4217)
 * @returns {number} how many digits its minor unit has: 2 for USD, 0 for JPY
 */
export function minorDigits(currency) {
  return formatOf(currency)?.resolvedOptions().maximumFractionDigits ?? 2;
}

/**
 * @param {number} amount in minor units
 * @param {string} currency
 * @returns {string} `$4.50`, `¥450`, `R 4.50`
 */
export function money(amount, currency) {
  const value = amount / 10 ** minorDigits(currency);
  const format = formatOf(currency);
  // The space between code and amount does not break anyway: the text is short.
  return format ? format.format(value) : `${value.toFixed(2)} ${currency}`;
}

/**
 * @param {number} amount in minor units
 * @param {string} currency
 * @returns {string} `4.50`, for a field
 */
export function plainMoney(amount, currency) {
  const digits = minorDigits(currency);
  return (amount / 10 ** digits).toFixed(digits);
}

/**
 * @param {string} text `4.5`, `4,50`, `1 200`
 * @param {string} currency
 * @returns {number | null} minor units; null for what is no amount of this currency
 */
export function parseMoney(text, currency) {
  const digits = minorDigits(currency);
  const match = text.trim().match(/^(\d{1,3}(?:[ \u00a0]\d{3})+|\d{1,12})(?:[.,](\d+))?$/);
  if (!match) return null;
  const [, whole, fraction = ''] = match;
  if (fraction.length > digits) return null;
  return Number(whole.replaceAll(/\s/g, '') + fraction.padEnd(digits, '0'));
}

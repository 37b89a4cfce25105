/**
 * The one error of the client: a refusal by the hub, or a local refusal in the hub's own words.
 */

/**
 * @typedef {object} FieldError
 * @property {string} pointer JSON pointer of the field
 * @property {string} message
 */

export class HubError extends Error {
  /**
   * @param {string} message a sentence
   * @param {object} [details]
   * @param {string} [details.code] the hub's code, e.g. `invalid_event`
   * @param {number} [details.status] the HTTP status, 0 where there was none
   * @param {FieldError[]} [details.errors]
   * @param {number | null} [details.retryAfter] seconds
   * @param {unknown} [details.cause]
   */
  constructor(
    message,
    { code = 'internal', status = 0, errors = [], retryAfter = null, cause } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HubError';
    this.code = code;
    this.status = status;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

/**
 * What to tell a person about a refusal: the hub's own sentence, and of a limit how long it lasts.
 * @param {HubError} error
 * @returns {string}
 */
export function sentenceOf(error) {
  if (error.code !== 'rate_limited' && error.status !== 429) return error.message;
  const { retryAfter } = error;
  if (retryAfter === null) return 'That was too much at once. Try again in a moment.';
  return `That was too much at once. The hub takes more in ${waiting(retryAfter)}.`;
}

/** @param {number} seconds @returns {string} rounded up: who comes too early waits again */
function waiting(seconds) {
  const whole = Math.max(1, Math.ceil(seconds));
  return whole <= 90 ? `${whole} s` : `${Math.ceil(whole / 60)} min`;
}

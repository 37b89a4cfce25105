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

/**
 * The hub's REST door: JSON in, JSON out, and every refusal as a `HubError`.
 */
import { HubError } from './errors.js';

export class Rest {
  #base;
  #fetch;
  #headers;

  /**
   * @param {object} [options]
   * @param {string} [options.base] the hub's address; empty in a page that the hub serves
   * @param {string} [options.key] an API key; a page that has a session cookie needs none
   * @param {typeof globalThis.fetch} [options.fetch]
   */
  constructor({ base = '', key = '', fetch = (...args) => globalThis.fetch(...args) } = {}) {
    this.#base = base;
    this.#fetch = fetch;
    this.#headers = { accept: 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  }

  /** @param {string} path */
  get(path) {
    return this.#call('GET', path);
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  post(path, body) {
    return this.#call('POST', path, body);
  }

  /** @param {string} path */
  delete(path) {
    return this.#call('DELETE', path);
  }

  async #call(method, path, body) {
    const headers = { ...this.#headers };
    if (body !== undefined) headers['content-type'] = 'application/json';
    let response;
    try {
      response = await this.#fetch(this.#base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: 'same-origin',
        cache: 'no-store',
      });
    } catch (cause) {
      throw new HubError('The hub cannot be reached.', { code: 'unreachable', cause });
    }
    const content = contentOf(await response.text());
    if (response.ok) return content;
    throw refusal(response.status, content, response.headers.get('retry-after'));
  }
}

/**
 * A proxy in between may answer in anything but JSON: such a body counts as none.
 * @param {string} text
 * @returns {any}
 */
export function contentOf(text) {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return {};
  }
}

/**
 * @param {number} status
 * @param {any} content the body of the answer
 * @param {string | null} retryAfterField
 * @returns {HubError}
 */
export function refusal(status, content, retryAfterField) {
  const retryAfter = Number.parseFloat(retryAfterField ?? content.retry_after ?? '');
  return new HubError(content.error ?? content.detail ?? `The hub answered ${status}.`, {
    code: content.code ?? String(status),
    status,
    errors: content.errors ?? [],
    retryAfter: Number.isNaN(retryAfter) ? null : retryAfter,
  });
}

/**
 * Sends one file to the hub, as it is, and tells how far it is. `fetch` cannot tell of a body that
 * is on its way; `XMLHttpRequest` can.
 */
import { HubError } from './errors.js';
import { contentOf, refusal } from './rest.js';

/**
 * @typedef {object} Sending
 * @property {Promise<any>} answer rejected with a `HubError`: `unreachable` where the connection
 *   broke and nobody knows whether the hub has the file, `aborted` after `abort`
 * @property {() => void} abort
 */

/**
 * @param {object} upload
 * @param {string} upload.path
 * @param {Blob} upload.file
 * @param {Record<string, string>} [upload.headers]
 * @param {(sent: number) => void} [upload.onprogress] bytes that have left
 * @param {number} [upload.timeout] ms
 * @param {any} [upload.XMLHttpRequest]
 * @returns {Sending}
 */
export function sendFile({
  path,
  file,
  headers = {},
  onprogress = () => {},
  timeout = 150_000,
  XMLHttpRequest = globalThis.XMLHttpRequest,
}) {
  const request = new XMLHttpRequest();
  const answer = new Promise((resolve, reject) => {
    const fail = (code, message) => () => reject(new HubError(message, { code }));
    request.addEventListener('load', () => {
      const content = contentOf(request.responseText);
      if (request.status >= 200 && request.status < 300) return resolve(content);
      reject(refusal(request.status, content, request.getResponseHeader('retry-after')));
    });
    const lost = fail('unreachable', 'The connection to the hub broke.');
    request.addEventListener('error', lost);
    request.addEventListener('timeout', lost);
    request.addEventListener('abort', fail('aborted', 'It was cancelled.'));
    request.upload.addEventListener('progress', ({ loaded }) => onprogress(loaded));
  });
  request.open('POST', path);
  request.timeout = timeout;
  request.setRequestHeader('accept', 'application/json');
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.send(file);
  return { answer, abort: () => request.abort() };
}

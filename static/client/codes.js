/**
 * What a WebSocket close code means for coming back.
 *
 *   stop     do not come back unchanged
 *   backoff  come back after a jittered, growing wait
 *   range    come back within the range that `bye` gave; without one, as `backoff`
 *
 * An unknown code is read by its hundred, so a hub may add codes without breaking old clients.
 */

/**
 * @typedef {object} Verdict
 * @property {number} code
 * @property {'stop' | 'backoff' | 'range'} next
 * @property {boolean} credentials whether new credentials are what is needed
 * @property {string} message a sentence for a person
 */

/** @type {Record<number, [Verdict['next'], string]>} */
const KNOWN = {
  1000: ['backoff', 'The hub closed the connection.'],
  1001: ['backoff', 'The hub is going away.'],
  1002: ['stop', 'The hub did not accept what this client sent.'],
  1003: ['stop', 'The hub accepts text messages only.'],
  1005: ['backoff', 'The connection was closed.'],
  1006: ['backoff', 'The connection was lost.'],
  1007: ['stop', 'The hub received text that is not UTF-8.'],
  1009: ['stop', 'A message was larger than the hub accepts.'],
  1011: ['backoff', 'The hub met an internal error.'],
  1012: ['backoff', 'The hub is restarting.'],
  1013: ['backoff', 'The hub is overloaded.'],
  4000: ['stop', 'The hub refused this client’s frames.'],
  4001: ['stop', 'The hub does not accept these credentials.'],
  4003: ['stop', 'These credentials do not allow this connection.'],
  4004: ['stop', 'An operator removed this connection.'],
  4005: ['stop', 'No credentials were given in time.'],
  4100: ['backoff', 'The hub met an internal error.'],
  4101: ['backoff', 'The hub is overloaded.'],
  4102: ['backoff', 'The hub limits how often this client may connect.'],
  4103: ['backoff', 'The hub dropped this connection because it read too slowly.'],
  4104: ['backoff', 'The hub heard nothing from this client.'],
  4105: ['backoff', 'The session behind this connection has ended.'],
  4106: ['backoff', 'There are too many connections.'],
  4200: ['range', 'The hub is shutting down.'],
  4201: ['range', 'The hub is moving.'],
};

const NEEDS_CREDENTIALS = new Set([4001, 4004, 4005]);

/** @type {Record<number, Verdict['next']>} */
const BY_HUNDRED = { 40: 'stop', 41: 'backoff', 42: 'range' };

/**
 * @param {number} code
 * @param {string} [reason] what the other side wrote beside the code
 * @returns {Verdict}
 */
export function verdictOf(code, reason = '') {
  const known = KNOWN[code];
  const next = known?.[0] ?? BY_HUNDRED[Math.floor(code / 100)] ?? 'backoff';
  const fallback = `The hub closed the connection with code ${code}${reason ? `: ${reason}` : ''}.`;
  return { code, next, credentials: NEEDS_CREDENTIALS.has(code), message: known?.[1] ?? fallback };
}

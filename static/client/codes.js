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
 * @property {string} reason what the other side wrote beside the code
 * @property {string} message a sentence for a person
 */

/**
 * What follows, what it is called, and how to tell the client that it happened to.
 * @type {Record<number, [Verdict['next'], string, string]>}
 */
const KNOWN = {
  1000: ['backoff', 'Closed normally', 'The hub closed the connection.'],
  1001: ['backoff', 'Client went away', 'The hub is going away.'],
  1002: ['stop', 'Protocol error', 'The hub did not accept what this client sent.'],
  1003: ['stop', 'Binary message', 'The hub accepts text messages only.'],
  1005: ['backoff', 'Closed without a code', 'The connection was closed.'],
  1006: ['backoff', 'Connection lost', 'The connection was lost.'],
  1007: ['stop', 'Text that is not UTF-8', 'The hub received text that is not UTF-8.'],
  1009: ['stop', 'Message too large', 'A message was larger than the hub accepts.'],
  1011: ['backoff', 'Internal error', 'The hub met an internal error.'],
  1012: ['backoff', 'Restarting', 'The hub is restarting.'],
  1013: ['backoff', 'Overloaded', 'The hub is overloaded.'],
  4000: ['stop', 'Too many bad frames', 'The hub refused this client’s frames.'],
  4001: ['stop', 'Not authenticated, or key revoked', 'The hub does not accept these credentials.'],
  4003: ['stop', 'Forbidden', 'These credentials do not allow this connection.'],
  4004: ['stop', 'Removed by an operator', 'An operator removed this connection.'],
  4005: ['stop', 'No credentials in time', 'No credentials were given in time.'],
  4100: ['backoff', 'Internal error', 'The hub met an internal error.'],
  4101: ['backoff', 'Overloaded', 'The hub is overloaded.'],
  4102: ['backoff', 'Rate limited', 'The hub limits how often this client may connect.'],
  4103: ['backoff', 'Slow consumer', 'The hub dropped this connection because it read too slowly.'],
  4104: ['backoff', 'No heartbeat', 'The hub heard nothing from this client.'],
  4105: ['backoff', 'Key or session expired', 'The session behind this connection has ended.'],
  4106: ['backoff', 'Too many connections', 'There are too many connections.'],
  4200: ['range', 'Shutting down', 'The hub is shutting down.'],
  4201: ['range', 'Moving', 'The hub is moving.'],
};

/** Not 4004: an operator removes a connection, and the key behind it stays good. */
const NEEDS_CREDENTIALS = new Set([4001, 4005]);

/** @type {Record<number, Verdict['next']>} */
const BY_HUNDRED = { 40: 'stop', 41: 'backoff', 42: 'range' };

/**
 * @param {number} code
 * @param {string} [reason]
 * @returns {Verdict}
 */
export function verdictOf(code, reason = '') {
  const known = KNOWN[code];
  const next = known?.[0] ?? BY_HUNDRED[Math.floor(code / 100)] ?? 'backoff';
  const fallback = `The hub closed the connection with code ${code}${reason ? `: ${reason}` : ''}.`;
  const credentials = NEEDS_CREDENTIALS.has(code);
  return { code, next, credentials, reason, message: known?.[2] ?? fallback };
}

/**
 * @param {number} code as the hub counts them: 0 for an end that has none
 * @returns {string} what such a close is called, for a list of them
 */
export function closeName(code) {
  if (code === 0) return 'Ended in another way';
  return KNOWN[code]?.[1] ?? 'Unknown to this page';
}

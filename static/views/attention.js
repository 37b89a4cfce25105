/**
 * Reads on while somebody looks and the hub can be asked.
 */

const CONNECTED = new Set(['catching-up', 'live']);

/**
 * @param {import('./shell.js').Context['connection']} connection
 * @returns {boolean} whether the hub can be asked
 */
export function connected(connection) {
  return CONNECTED.has(connection.value.state);
}

/**
 * Says how fresh a collection is: as of now while its log is followed, else as of when it was.
 * @param {import('../elements/reading-status.js').ReadingStatus} reading
 * @param {import('../state/collection.js').CollectionState} value
 * @param {import('./shell.js').Context['connection']} connection
 * @param {number} now ms
 * @returns {boolean} whether rows are shown that the hub cannot be asked about
 */
export function showReading(reading, { phase, problem, at }, connection, now) {
  const live = connected(connection);
  const of = live && !problem && at !== null ? now : at;
  reading.show({ connected: live, problem, at: of }, now);
  return phase === 'ready' && !live;
}

/**
 * @param {import('../state/poll.js').Poll<any>} poll
 * @param {import('./shell.js').Context['connection']} connection
 * @returns {() => void} ends it
 */
export function attend(poll, connection) {
  const decide = () => {
    poll.run(document.visibilityState === 'visible' && connected(connection));
  };
  document.addEventListener('visibilitychange', decide);
  const unwatch = connection.watch(decide);
  return () => {
    document.removeEventListener('visibilitychange', decide);
    unwatch();
    poll.run(false);
  };
}

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

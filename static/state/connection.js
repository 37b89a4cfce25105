/**
 * The connection as the page shows it, and what the page does about its end.
 */
import { Store } from './store.js';

/**
 * @typedef {object} ConnectionState
 * @property {'idle'|'connecting'|'catching-up'|'live'|'waiting'|'stopped'} state
 * @property {boolean} first whether there was no connection yet
 * @property {number | null} retryAt
 * @property {string} message why there is no connection
 */

/**
 * @param {import('../client/hub.js').Hub} hub
 * @param {import('./session.js').Session} session
 * @returns {Store<ConnectionState>}
 */
export function watchConnection(hub, session) {
  /** @type {Store<ConnectionState>} */
  const store = new Store({ state: 'idle', first: true, retryAt: null, message: '' });

  hub.on('status', async ({ state, retryAt, greeted, verdict }) => {
    const first = store.value.first && !greeted;
    store.set({ state, first, retryAt, message: verdict?.message ?? '' });
    if (state === 'stopped' && verdict.credentials) {
      session.end(verdict.message);
    } else if (state === 'waiting' && !greeted && !(await session.holds())) {
      session.end('Your session has ended.');
    }
  });
  return store;
}

/**
 * The connection as the page shows it, and what the page does about its end.
 */
import { systemClock } from '../client/clock.js';
import { Store } from './store.js';

/**
 * How long a handshake may take before the session is looked into: a hub that sees no cookie waits
 * for other credentials, for longer than a person would.
 */
const PATIENCE_MS = 2_000;

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
 * @param {import('../client/clock.js').Clock} [clock]
 * @returns {Store<ConnectionState>}
 */
export function watchConnection(hub, session, clock = systemClock) {
  /** @type {Store<ConnectionState>} */
  const store = new Store({ state: 'idle', first: true, retryAt: null, message: '' });
  let timer = null;

  async function lookInto() {
    if (!(await session.holds())) session.end('Your session has ended.');
  }

  hub.on('status', ({ state, retryAt, greeted, verdict }) => {
    const first = store.value.first && !greeted;
    store.set({ state, first, retryAt, message: verdict?.message ?? '' });
    clock.clearTimeout(timer);
    if (state === 'connecting') timer = clock.setTimeout(lookInto, PATIENCE_MS);
    // Of a handshake that failed, a browser tells no reason.
    if (state === 'waiting' && !greeted) lookInto();
    if (state === 'stopped' && verdict.credentials) session.end(endOf(verdict));
  });
  return store;
}

/** @param {import('../client/codes.js').Verdict} verdict */
function endOf({ reason, message }) {
  return reason ? `Your session has ended: ${reason}.` : message;
}

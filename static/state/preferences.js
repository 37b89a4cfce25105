/**
 * What a person chose for this browser. Storage may be forbidden; then a choice lasts for the page.
 */
import { Store } from './store.js';

const KEY = 'hub.theme';

/** @typedef {'system' | 'light' | 'dark'} Theme */

/** @param {Pick<Storage, 'getItem' | 'setItem'> | null} storage */
export function themePreference(storage) {
  /** @type {Store<{ theme: Theme }>} */
  const store = new Store({ theme: stored(storage) });
  return {
    store,
    /** @param {Theme} theme */
    choose(theme) {
      store.set({ theme });
      try {
        storage?.setItem(KEY, theme);
      } catch {
        // Private windows refuse to store: nothing to be done about it.
      }
    },
  };
}

/** @returns {Theme} */
function stored(storage) {
  try {
    const theme = storage?.getItem(KEY);
    return theme === 'light' || theme === 'dark' ? theme : 'system';
  } catch {
    return 'system';
  }
}

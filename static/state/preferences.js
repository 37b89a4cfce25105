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

/**
 * A yes or no that outlives the page.
 * @typedef {{ set: boolean }} Mark
 */

/**
 * @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null} storage
 * @param {string} key
 * @returns {Mark}
 */
export function storedMark(storage, key) {
  let kept = false;
  return {
    get set() {
      try {
        return storage ? storage.getItem(key) !== null : kept;
      } catch {
        return kept;
      }
    },
    set set(set) {
      kept = set;
      try {
        if (set) storage?.setItem(key, '1');
        else storage?.removeItem(key);
      } catch {
        // As with the theme: it lasts for the page.
      }
    },
  };
}

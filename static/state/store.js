/**
 * A value that can be watched. Everything the page shows hangs on a few of these.
 * @template {object} T
 */
export class Store {
  /** @type {Set<(value: T) => void>} */
  #watchers = new Set();

  /** @param {T} value */
  constructor(value) {
    /** @type {Readonly<T>} */
    this.value = value;
  }

  /**
   * Merges changes in; watchers hear of it only when something is different.
   * @param {Partial<T>} changes
   */
  set(changes) {
    const same = Object.keys(changes).every((key) => Object.is(this.value[key], changes[key]));
    if (same) return;
    this.value = { ...this.value, ...changes };
    for (const watcher of [...this.#watchers]) watcher(this.value);
  }

  /**
   * Calls `watcher` now and after every change.
   * @param {(value: Readonly<T>) => void} watcher
   * @returns {() => void} stops watching
   */
  watch(watcher) {
    this.#watchers.add(watcher);
    watcher(this.value);
    return () => this.#watchers.delete(watcher);
  }
}

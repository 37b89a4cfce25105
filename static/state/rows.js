/**
 * Rows by their ids, of each the latest version that was seen, and which of them have changed
 * behind what was read. Plain data: nothing here asks the hub.
 */

/**
 * @typedef {Record<string, any>} Row what the hub calls one, with `version` where it can change
 */

export class Rows {
  #key;
  /** @type {Map<string, Row>} */
  #byId = new Map();
  /** Rows that an event has named since they were read. @type {Map<string, number>} id → offset */
  #dirty = new Map();

  /** @param {(row: Row) => string} key its id */
  constructor(key) {
    this.#key = key;
  }

  get size() {
    return this.#byId.size;
  }

  /** How many have to be read again. */
  get dirty() {
    return this.#dirty.size;
  }

  /** @param {string} id @returns {Row | undefined} */
  get(id) {
    return this.#byId.get(id);
  }

  /** @returns {Row[]} in no order */
  all() {
    return [...this.#byId.values()];
  }

  /** Keeps a row, unless a later version of it is known. @param {Row} row */
  put(row) {
    const id = this.#key(row);
    const known = this.#byId.get(id);
    if (known && known.version > row.version) return;
    this.#byId.set(id, row);
  }

  /** @param {string} id */
  drop(id) {
    this.#byId.delete(id);
    this.#dirty.delete(id);
  }

  /** Everything else is forgotten. @param {Row[]} rows */
  replace(rows) {
    const before = this.#byId;
    this.#byId = new Map();
    for (const row of rows) {
      const known = before.get(this.#key(row));
      this.put(known && known.version > row.version ? known : row);
    }
  }

  /**
   * Something has happened to a row.
   * @param {string} id
   * @param {number} offset of the event
   * @param {number | undefined} version that the row has with it, where the event says so
   * @returns {boolean} whether the row has to be read again for it
   */
  touch(id, offset, version) {
    const known = this.#byId.get(id);
    if (known && version !== undefined && known.version >= version) return false;
    this.#dirty.set(id, offset);
    return true;
  }

  /** The rows that have to be read again, which from here on are no longer so. */
  take() {
    const ids = [...this.#dirty.keys()];
    this.#dirty.clear();
    return ids;
  }

  /** What was read is of `offset`: what happened up to there is in it. @param {number} offset */
  clean(offset) {
    for (const [id, at] of this.#dirty) if (at <= offset) this.#dirty.delete(id);
  }
}

/**
 * The newest entries of the stream in bounded memory: a ring that overwrites its oldest.
 *
 * Every entry gets a sequence number of this page's own. Offsets would not do: volatile events and
 * the rows that announce a gap have none, and a log that was reset starts over.
 */

/**
 * @typedef {object} Entry
 * @property {number} seq
 * @property {'event' | 'gap'} kind
 * @property {any} frame
 *
 * @typedef {object} LogView newest first, by index
 * @property {number} size
 * @property {number} total how many entries there were in all; the newest has seq `total - 1`
 * @property {(index: number) => Entry} newest
 */

/** @implements {LogView} */
export class EventLog {
  /** @type {Entry[]} */
  #ring = [];

  /** @param {number} capacity */
  constructor(capacity) {
    this.capacity = capacity;
    this.total = 0;
  }

  get size() {
    return this.#ring.length;
  }

  /**
   * @param {Entry['kind']} kind
   * @param {any} frame
   */
  push(kind, frame) {
    // Below capacity the ring's slots and the sequence agree only if both start at a multiple.
    this.#ring[this.total % this.capacity] = { seq: this.total, kind, frame };
    this.total += 1;
  }

  newest(index) {
    return this.#ring[(this.total - 1 - index) % this.capacity];
  }

  clear() {
    this.#ring = [];
    // Sequence numbers are never used twice: a row that is still on the screen may hold one.
    this.total = Math.ceil(this.total / this.capacity) * this.capacity;
  }

  /** What is here now, unmoved by what comes later. @returns {LogView} */
  snapshot() {
    const entries = Array.from({ length: this.size }, (_, index) => this.newest(index));
    return { size: entries.length, total: this.total, newest: (index) => entries[index] };
  }
}

/**
 * One filter and one cursor: what a connection asks for, and how far it has read.
 *
 *   asked      a filter that the hub has not confirmed; with it, where to start
 *   confirmed  `subscribed` arrived: the cursor stands, and a reconnect resumes `since` it
 *
 * Everything here is plain data in, plain data out; the socket is elsewhere.
 */

/**
 * @typedef {object} Wanted
 * @property {string[]} [types] patterns; absent or empty means all
 * @property {string[]} [subjects]
 * @property {string | null} [merchantId] narrows an admin's connection
 * @property {number} [last] start with this many stored events
 * @property {number} [since] or start after this offset
 * @property {string} [epoch] the epoch of `since`
 */

export class Subscription {
  #refs = 0;
  /** @type {(Wanted & { ref: string | null, sent: boolean }) | null} */
  #asked;
  /** @type {Wanted} */
  #confirmed = {};

  /** @param {Wanted} wanted */
  constructor(wanted) {
    this.#asked = { ...wanted, ref: null, sent: false };
    /** The last offset that was read; null before the first. @type {number | null} */
    this.offset = null;
    /** @type {string | null} */
    this.epoch = null;
  }

  /** The filter that is in force, or is about to be. @returns {Wanted} */
  get wanted() {
    return this.#asked ?? this.#confirmed;
  }

  /**
   * Asks for another filter. It takes effect with the next `frame()` or `query()`.
   * @param {Wanted} wanted
   */
  ask(wanted) {
    this.#refs += 1;
    this.#asked = { ...wanted, ref: `s${this.#refs}`, sent: false };
  }

  /** What a new connection puts into its address. @returns {URLSearchParams} */
  query() {
    const wanted = this.wanted;
    const query = new URLSearchParams();
    if (wanted.types?.length) query.set('types', wanted.types.join(','));
    if (wanted.subjects?.length) query.set('subjects', wanted.subjects.join(','));
    if (wanted.merchantId) query.set('merchant_id', wanted.merchantId);
    for (const [name, value] of Object.entries(this.#start())) query.set(name, String(value));
    if (this.#asked) Object.assign(this.#asked, { ref: null, sent: true });
    return query;
  }

  /** The `subscribe` frame that is still to be sent on this connection, if any. */
  frame() {
    if (!this.#asked || this.#asked.sent) return null;
    this.#asked.sent = true;
    const { ref, types, subjects } = this.#asked;
    return {
      type: 'subscribe',
      ref,
      ...(types?.length && { types }),
      ...(subjects?.length && { subjects }),
      ...this.#start(),
    };
  }

  #start() {
    const { last, since, epoch } = this.#asked ?? { since: this.offset, epoch: this.epoch };
    if (last) return { last };
    if (since === undefined || since === null) return {};
    return epoch ? { since, epoch } : { since };
  }

  /**
   * @param {{ ref?: string, epoch: string, offset: number }} frame
   * @returns {boolean} whether this begins a new list, rather than continuing the old one
   */
  subscribed(frame) {
    const asked = this.#asked;
    if (asked?.sent && (frame.ref ?? null) === asked.ref) {
      this.#confirmed = asked;
      this.#asked = null;
      this.offset = frame.offset;
      this.epoch = frame.epoch;
      return true;
    }
    // A resumed connection: the cursor only moves back with the epoch, so that nothing comes twice.
    if (frame.epoch !== this.epoch || this.offset === null) this.offset = frame.offset;
    this.epoch = frame.epoch;
    return false;
  }

  /**
   * The hub refused a `subscribe`: the filter before it stays in force.
   * @param {string} ref
   * @returns {boolean} whether the refusal was meant for the filter asked last
   */
  refused(ref) {
    if (!this.#asked || this.#asked.ref === null || this.#asked.ref !== ref) return false;
    this.#asked = null;
    return true;
  }

  /**
   * @param {{ offset?: number | null }} event
   * @returns {boolean} whether it is new; volatile events have no offset and always are
   */
  accept(event) {
    if (event.offset === undefined || event.offset === null) return true;
    if (this.offset !== null && event.offset <= this.offset) return false;
    this.offset = event.offset;
    return true;
  }

  /** `live` and `ping` carry the connection's cursor, which advances under a quiet filter too. */
  advance(offset) {
    if (Number.isInteger(offset)) this.offset = Math.max(this.offset ?? 0, offset);
  }

  /** After a gap the hub goes on at `resume`, which may lie before the cursor (a reset log). */
  gap({ resume }) {
    this.offset = resume;
  }

  /** The connection is gone, and with it every unanswered request. */
  closed() {
    if (this.#asked) this.#asked.sent = false;
  }
}

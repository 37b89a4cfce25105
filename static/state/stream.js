/**
 * The live stream: a bounded log fed by the hub, a filter, and two ways of holding still.
 *
 *   paused   the person pressed pause
 *   reading  the person scrolled away from the top
 *
 * While it is held, what is shown is a snapshot: nothing can move under the reader's eyes, and the
 * log goes on behind it. Notifications: `change` (something to draw), `problem` (HubError).
 */
import { Emitter } from '../client/emitter.js';
import { EventLog } from './event-log.js';
import { Rate } from './rate.js';

const CAPACITY = 5_000;
const INITIAL = 200;
/** Bots may invent types without end; the chips, and the memory for them, have one. */
const MAX_TYPES = 200;

export class Stream extends Emitter {
  #hub;
  /** @type {import('./event-log.js').LogView | null} */
  #held = null;
  #keep = false;

  /**
   * @param {import('../client/hub.js').Hub} hub
   * @param {{ types: string[], merchantId: string | null }} scope
   */
  constructor(hub, { types, merchantId }) {
    super();
    this.#hub = hub;
    this.log = new EventLog(CAPACITY);
    this.rate = new Rate();
    /** How often each type was seen since the page was opened. @type {Map<string, number>} */
    this.seen = new Map();
    /** Patterns; none means all. */
    this.types = types;
    /** The one merchant that is shown; null means all that may be seen. */
    this.merchantId = merchantId;
    this.paused = false;
    this.reading = false;
    /** Whether the first events of a list are still on their way. */
    this.loading = true;

    hub.on('event', (frame) => this.#take(frame));
    hub.on('gap', (frame) => this.#gap(frame));
    hub.on('reset', () => this.#reset());
    hub.on('status', ({ state }) => state === 'live' && this.#live());
    hub.on('refused', (error) => {
      this.types = hub.wanted.types ?? [];
      this.emit('problem', error);
      this.#changed();
    });
    hub.follow(this.wanted);
  }

  /**
   * What the hub is asked for at first, and again whenever the list is built anew.
   * @returns {import('../client/subscription.js').Wanted}
   */
  get wanted() {
    return { types: this.types, merchantId: this.merchantId, last: INITIAL };
  }

  /** What is to be shown. @returns {import('./event-log.js').LogView} */
  get view() {
    return this.#held ?? this.log;
  }

  /** How many entries came since the view was held. */
  get unseen() {
    return this.#held ? this.log.total - this.#held.total : 0;
  }

  /** @param {{ types: string[], merchantId: string | null }} scope */
  filter({ types, merchantId }) {
    if (types.join() === this.types.join() && merchantId === this.merchantId) return;
    this.types = types;
    this.merchantId = merchantId;
    this.#hub.follow(this.wanted);
    this.#changed();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    this.#hold();
  }

  /** @param {boolean} reading */
  read(reading) {
    if (this.reading === reading) return;
    this.reading = reading;
    this.#hold();
  }

  /** Back to the newest. */
  release() {
    this.paused = false;
    this.reading = false;
    this.#hold();
  }

  #hold() {
    const hold = this.paused || this.reading;
    this.#held = hold ? (this.#held ?? this.log.snapshot()) : null;
    this.#changed();
  }

  #take(frame) {
    // Between two logs: the list that was just asked for brings these once more.
    if (this.#keep) return;
    const count = this.seen.get(frame.type) ?? 0;
    if (count || this.seen.size < MAX_TYPES) this.seen.set(frame.type, count + 1);
    // What the hub replays happened earlier and says nothing about the rate of now.
    if (!this.loading) this.rate.add();
    this.log.push('event', frame);
    this.#changed();
  }

  #gap(frame) {
    this.log.push('gap', frame);
    // Another epoch is another log: what is shown stays, and the new log's last events follow.
    if (frame.reason === 'epoch') {
      this.#keep = true;
      this.#hub.follow(this.wanted);
    }
    this.#changed();
  }

  #reset() {
    this.loading = true;
    if (!this.#keep) {
      this.log.clear();
      this.reading = false;
      this.#held = null;
    }
    this.#keep = false;
    this.#changed();
  }

  #live() {
    this.loading = false;
    this.#hold();
  }

  #changed() {
    this.emit('change');
  }
}

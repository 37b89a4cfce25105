/**
 * How the hub is: what it says of itself, and rates made of the differences of its counters.
 */
import { Poll } from './poll.js';

const REMEMBERED_MS = 120_000;

/**
 * @typedef {object} Check
 * @property {string} name
 * @property {boolean} ok
 * @property {string} detail
 * @property {number} ms how long it took
 *
 * @typedef {object} Health what `health.show` answers; counters are since the hub's start
 * @property {'ready' | 'unavailable' | 'draining'} status
 * @property {string} version
 * @property {string} started_at RFC 3339
 * @property {number} uptime_seconds
 * @property {Check[]} checks
 * @property {Record<string, any>} log
 * @property {Record<string, any>} connections
 * @property {Record<string, any>} traffic
 * @property {Record<string, any>} process
 *
 * @typedef {object} Rates per second over the time since the reading before
 * @property {number} at ms
 * @property {number} eventsIn
 * @property {number} eventsOut
 * @property {number} bytesOut
 * @property {number} commits
 * @property {number} cpu seconds of processor time per second
 */

export class HealthReport {
  #clock;
  /** @type {{ at: number, health: Health } | null} */
  #before = null;

  /**
   * @param {Pick<import('../client/hub.js').Hub, 'call'>} hub
   * @param {import('../client/clock.js').Clock} clock
   */
  constructor(hub, clock) {
    this.#clock = clock;
    /** The last two minutes, oldest first. @type {Rates[]} */
    this.rates = [];
    /** @type {Poll<Health>} */
    this.poll = new Poll({ read: () => this.#read(hub), clock });
  }

  /** The latest; null before two readings of one run of the hub. @returns {Rates | null} */
  get latest() {
    return this.rates.at(-1) ?? null;
  }

  async #read(hub) {
    const health = await hub.call('health.show');
    this.#remember({ at: this.#clock.now(), health });
    return health;
  }

  #remember(now) {
    const before = this.#before;
    this.#before = now;
    // Another process counts from nothing: between the two there is no difference to speak of.
    if (!before || before.health.started_at !== now.health.started_at) {
      this.rates = [];
      return;
    }
    if (now.at <= before.at) return;
    this.rates = [...this.rates, difference(before, now)].filter(
      ({ at }) => now.at - at < REMEMBERED_MS,
    );
  }
}

function difference(before, now) {
  const seconds = (now.at - before.at) / 1000;
  function perSecond(group, name) {
    return Math.max(0, now.health[group][name] - before.health[group][name]) / seconds;
  }
  return {
    at: now.at,
    eventsIn: perSecond('traffic', 'events_in'),
    eventsOut: perSecond('traffic', 'events_out'),
    bytesOut: perSecond('traffic', 'bytes_out'),
    commits: perSecond('traffic', 'commits'),
    cpu: perSecond('process', 'cpu_seconds'),
  };
}

/** @type {Record<string, { label: string, text: string }>} */
const STATUSES = {
  ready: { label: 'Ready', text: 'Everything that is checked works.' },
  unavailable: { label: 'Unavailable', text: 'A check fails: the hub cannot do all of its work.' },
  draining: { label: 'Shutting down', text: 'What is under way is finished, nothing new begins.' },
};

/**
 * @param {string} status
 * @returns {{ label: string, text: string }}
 */
export function statusText(status) {
  return STATUSES[status] ?? { label: status, text: '' };
}

/**
 * A connection to the hub that mends itself.
 *
 *   idle → connecting → catching-up → live
 *              ↑                        │ lost
 *              └────── waiting ←────────┤
 *                      stopped ←────────┘ the hub does not want us back unchanged
 *
 * What a listener of `event` receives is every matching event exactly once and in order, however
 * often the connection breaks: a reconnect resumes after the last offset read, and whatever the hub
 * can no longer replay is announced as a `gap`.
 *
 * Notifications: `status` (Status), `event` (frame), `gap` (frame), `reset` (a new list begins),
 * `refused` (HubError: the hub refused a filter).
 */
import { Backoff, between } from './backoff.js';
import { Calls } from './calls.js';
import { systemClock } from './clock.js';
import { verdictOf } from './codes.js';
import { Emitter } from './emitter.js';
import { HubError } from './errors.js';
import { Outbox } from './outbox.js';
import { Subscription } from './subscription.js';
import { Watchdog } from './watchdog.js';

const HANDSHAKE_MS = 10_000;
/** A connection that did not last this long says nothing good about the hub: the waits grow on. */
const STABLE_MS = 5_000;

/**
 * @typedef {object} Status
 * @property {'idle'|'connecting'|'catching-up'|'live'|'waiting'|'stopped'} state
 * @property {number | null} retryAt when a waiting client tries again, ms
 * @property {boolean} greeted whether the lost connection had ever been accepted
 * @property {import('./codes.js').Verdict | null} verdict why the last connection ended
 */

export class Hub extends Emitter {
  #url;
  #token;
  #WebSocket;
  #clock;
  #random;
  #backoff;
  #watchdog;
  #subscription;
  #outbox;
  #calls;
  #follows;
  #socket = null;
  #timer = null;
  #bye = null;
  #liveSince = 0;

  /**
   * @param {object} options
   * @param {string} options.url `ws://…/ws`
   * @param {string | (() => string | Promise<string>)} [options.token] asked before every attempt;
   *   a page with a session cookie needs none
   * @param {import('./subscription.js').Wanted | null} [options.follow] null: publish only
   * @param {{ base?: number, cap?: number }} [options.backoff]
   * @param {any} [options.WebSocket]
   * @param {import('./clock.js').Clock} [options.clock]
   * @param {() => number} [options.random]
   */
  constructor({
    url,
    token = '',
    follow = {},
    backoff = {},
    WebSocket = globalThis.WebSocket,
    clock = systemClock,
    random = Math.random,
  }) {
    super();
    this.#url = url;
    this.#token = token;
    this.#WebSocket = WebSocket;
    this.#clock = clock;
    this.#random = random;
    this.#follows = follow !== null;
    this.#backoff = new Backoff({ ...backoff, random });
    this.#subscription = new Subscription(follow ?? {});
    this.#outbox = new Outbox({ send: (text) => this.#socket.send(text), clock, random });
    this.#calls = new Calls({ send: (frame) => this.#send(frame), clock });
    this.#watchdog = new Watchdog({
      clock,
      ask: () => this.#send({ type: 'ping' }),
      giveUp: () => this.#abandon(4104),
    });
    /** @type {Status} */
    this.status = { state: 'idle', retryAt: null, greeted: false, verdict: null };
    /** The `connected` frame of this or the last connection. @type {any} */
    this.welcome = null;
  }

  /** The last offset read; null before the first. */
  get offset() {
    return this.#subscription.offset;
  }

  get epoch() {
    return this.#subscription.epoch;
  }

  /** The filter in force, or about to be. */
  get wanted() {
    return this.#subscription.wanted;
  }

  /** Events published and not yet answered. */
  get unanswered() {
    return this.#outbox.size;
  }

  start() {
    if (this.#socket || this.#timer !== null) return;
    this.#open();
  }

  /** Ends the connection for good; unanswered events are refused. */
  stop() {
    this.#detach();
    this.#outbox.rejectAll(new HubError('The connection was closed.', { code: 'closed' }));
    this.#become('idle');
  }

  /** Ends a wait now. */
  retryNow() {
    if (this.status.state !== 'waiting') return;
    this.#clock.clearTimeout(this.#timer);
    this.#open();
  }

  /**
   * Replaces filter and starting point; `reset` tells when the new list begins.
   * @param {import('./subscription.js').Wanted} wanted
   */
  follow(wanted) {
    const moved = (wanted.merchantId ?? null) !== (this.wanted.merchantId ?? null);
    this.#follows = true;
    this.#subscription.ask(wanted);
    if (!this.#socket) return;
    // The merchant belongs to the connection, the filter does not.
    if (moved) {
      this.#detach();
      this.#open();
    } else if (this.status.greeted) {
      this.#send(this.#subscription.frame());
    }
  }

  /**
   * @param {{ type: string, data: object, id?: string, subject?: string, merchant_id?: string,
   *   timestamp?: string, volatile?: boolean }} event
   * @returns {Promise<import('./outbox.js').Ack>} settles when the hub has answered
   */
  publish(event) {
    return this.#outbox.add(event);
  }

  /**
   * Any REST command by its name.
   * @param {string} method such as `sessions.list`
   * @param {object} [params]
   * @param {import('./calls.js').CallOptions} [options]
   * @returns {Promise<any>} its result; rejected with `closed` when the connection breaks first
   */
  async call(method, params, options) {
    return (await this.#calls.call(method, params, options)).result;
  }

  /**
   * As `call`, with the place in the log that the result belongs to: events up to it are in there.
   * @param {string} method
   * @param {object} [params]
   * @param {import('./calls.js').CallOptions} [options]
   * @returns {Promise<import('./calls.js').Answer>}
   */
  ask(method, params, options) {
    return this.#calls.call(method, params, options);
  }

  #become(state, changes = {}) {
    this.status = { ...this.status, state, retryAt: null, ...changes };
    this.emit('status', this.status);
  }

  #open() {
    const url = new URL(this.#url);
    for (const [name, value] of this.#subscription.query()) url.searchParams.set(name, value);
    const socket = new this.#WebSocket(url.href);
    this.#socket = socket;
    this.#bye = null;
    this.#liveSince = 0;
    this.#timer = this.#clock.setTimeout(() => this.#abandon(1006), HANDSHAKE_MS);
    socket.onopen = () => this.#authenticate(socket);
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    this.#become('connecting', { greeted: false });
  }

  async #authenticate(socket) {
    if (!this.#token) return;
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token;
    if (socket === this.#socket) this.#send({ type: 'auth', token });
  }

  #send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #receive(text) {
    this.#watchdog.heard();
    const frame = JSON.parse(text);
    if (frame.type.includes('_')) {
      if (this.#subscription.accept(frame)) this.emit('event', frame);
      return;
    }
    switch (frame.type) {
      case 'connected':
        return this.#greeted(frame);
      case 'subscribed':
        if (this.#subscription.subscribed(frame)) this.emit('reset', frame);
        return this.status.state === 'live' ? this.#become('catching-up') : undefined;
      case 'gap':
        this.#subscription.gap(frame);
        return this.emit('gap', frame);
      case 'live':
        this.#subscription.advance(frame.offset);
        return this.#live();
      case 'ping':
        return this.#subscription.advance(frame.offset);
      case 'ack':
        return void this.#outbox.ack(frame);
      case 'reply':
        return void this.#calls.reply(frame);
      case 'error':
        return this.#error(frame);
      case 'bye':
        this.#bye = frame;
    }
    // Other control frames are from a newer hub: ignored, as the protocol asks.
  }

  #greeted(frame) {
    this.welcome = frame;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#watchdog.start(frame.heartbeat);
    this.#calls.opened();
    this.#become('catching-up', { greeted: true, verdict: null });
    this.#outbox.opened(frame.limits ?? {});
    if (!this.#follows) return this.#live();
    // A filter chosen while the handshake was under way.
    const subscribe = this.#subscription.frame();
    if (subscribe) this.#send(subscribe);
  }

  #live() {
    this.#liveSince ||= this.#clock.now();
    this.#become('live');
  }

  #error(frame) {
    if (this.#outbox.error(frame) || this.#calls.error(frame)) return;
    if (!this.#subscription.refused(frame.ref)) return;
    this.emit('refused', new HubError(frame.message, { code: frame.code, errors: frame.errors }));
  }

  /** Leaves the socket to itself: one that is dead may take minutes to report its end. */
  #detach() {
    const socket = this.#socket;
    this.#socket = null;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#watchdog.stop();
    this.#outbox.closed();
    this.#calls.closed();
    this.#subscription.closed();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #abandon(code) {
    this.#lost(code, '');
  }

  #lost(code, reason) {
    this.#detach();
    // An aborted connection may end as 1006 although the hub had said why.
    const verdict = verdictOf(this.#bye?.code ?? code, this.#bye?.reason ?? reason);
    if (verdict.next === 'stop') {
      this.#outbox.rejectAll(new HubError(verdict.message, { code: 'closed' }));
      this.#become('stopped', { verdict });
      return;
    }
    if (this.#liveSince && this.#clock.now() - this.#liveSince > STABLE_MS) this.#backoff.reset();
    const range = this.#bye?.reconnect;
    const delay = range ? between(range[0], range[1], this.#random) : this.#backoff.next();
    this.#timer = this.#clock.setTimeout(() => this.#open(), delay);
    this.#become('waiting', { verdict, retryAt: this.#clock.now() + delay });
  }
}

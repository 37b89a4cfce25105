// A clock that is turned by hand, and a WebSocket whose other end is the test.

export class FakeClock {
  #now = 1_000_000;
  #timers = [];

  now() {
    return this.#now;
  }

  setTimeout(callback, ms) {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return timer;
  }

  clearTimeout(timer) {
    this.#timers = this.#timers.filter((other) => other !== timer);
  }

  /** Lets time pass, and runs what falls due in its order. */
  pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.clearTimeout(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }
}

/** A WebSocket class of its own for each test: `sockets` are those that it made. */
export function fakeWebSocket() {
  const sockets = [];
  class FakeWebSocket {
    constructor(url) {
      this.url = new URL(url);
      this.sent = [];
      this.closed = false;
      sockets.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.closed = true;
    }

    get query() {
      return Object.fromEntries(this.url.searchParams);
    }

    /** What the hub says. */
    say(...frames) {
      for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
    }

    /** The hub's end goes away. */
    drop(code = 1006, reason = '') {
      this.onclose?.({ code, reason });
    }
  }
  return { FakeWebSocket, sockets };
}

export function connected(fields = {}) {
  return {
    type: 'connected',
    protocol: 1,
    session: 's1',
    role: 'admin',
    merchant_id: null,
    epoch: 'e1',
    offset: 0,
    oldest: 1,
    heartbeat: 20,
    expires_at: null,
    limits: {
      message: 1024,
      data: 512,
      batch: 500,
      in_flight: 4,
      id: 128,
      ref: 64,
      subject: 256,
    },
    message: 'Welcome',
    ...fields,
  };
}

export function subscribed(offset, fields = {}) {
  return {
    type: 'subscribed',
    ref: null,
    epoch: 'e1',
    offset,
    recovered: true,
    types: null,
    subjects: null,
    ...fields,
  };
}

export function event(offset, type = 'custom_test') {
  const id = `id-${offset}`;
  return {
    type,
    id,
    offset,
    timestamp: '2026-11-22T10:00:00.000Z',
    merchant_id: 'm',
    source: 'bot:b',
    data: {},
  };
}

/** Lets promises that are already settled run their callbacks. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

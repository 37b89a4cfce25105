/**
 * `<event-inspector>`: everything about one event. Fires `close` and `step` (detail: 1 or -1).
 */
import { h, icon, setText } from './dom.js';
import { fullTime, grouped, relativeTime } from './format.js';
import { familyOf, gapText } from './summary.js';
import './copy-button.js';
import './json-view.js';

/** The order in which fields are read; those of a newer hub follow. */
const ORDER = [
  'offset',
  'id',
  'merchant_id',
  'source',
  'subject',
  'cause',
  'expires_at',
  'volatile',
];
const ELSEWHERE = new Set(['type', 'timestamp', 'data']);

export class EventInspector extends HTMLElement {
  #title = h('h2', { class: 'inspector-title', tabindex: '-1' });
  #ago = h('span', { class: 'inspector-ago' });
  #time = h('time', { class: 'inspector-time' });
  #fields = h('dl', { class: 'facts' });
  #data = h('json-view');
  #copy = h('copy-button', { label: 'Copy JSON' });
  #body = h('div', { class: 'inspector-body' });
  /** @type {any} */
  #frame = null;
  #timer = 0;

  connectedCallback() {
    if (!this.firstChild) this.#build();
    this.#timer = setInterval(() => this.#age(), 1_000);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #build() {
    this.#copy.text = () => JSON.stringify(this.#frame, null, 2);
    this.#body.append(
      h('p', { class: 'inspector-when' }, this.#ago, this.#time),
      this.#fields,
      h('div', { class: 'inspector-section' }, h('h3', { text: 'Data' }), this.#copy),
      this.#data,
    );
    this.append(
      h(
        'header',
        { class: 'inspector-head' },
        this.#title,
        button('previous', 'Newer event', () => this.#fire('step', -1)),
        button('next', 'Older event', () => this.#fire('step', 1)),
        button('close', 'Close', () => this.#fire('close')),
      ),
      this.#body,
    );
  }

  /**
   * @param {import('../state/event-log.js').Entry} entry
   * @param {(id: string) => string} merchantName
   */
  show({ kind, frame }, merchantName) {
    this.#frame = frame;
    const event = kind === 'event';
    setText(this.#title, event ? frame.type : 'Gap');
    this.#title.dataset.family = event ? familyOf(frame.type) : 'system';
    this.#time.dateTime = frame.timestamp ?? '';
    setText(this.#time, event ? fullTime(frame.timestamp) : gapText(frame));
    this.#fields.replaceChildren(...facts(frame, merchantName));
    this.#data.show(event ? frame.data : frame);
    this.#body.scrollTop = 0;
    this.#age();
  }

  /** Puts the keyboard where the event is, when it covers the list. */
  focus() {
    this.#title.focus();
  }

  #age() {
    setText(this.#ago, this.#frame?.timestamp ? relativeTime(this.#frame.timestamp) : '');
  }

  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function button(name, label, onclick) {
  return h(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick },
    icon(name),
  );
}

function facts(frame, merchantName) {
  const names = [...new Set([...ORDER, ...Object.keys(frame)])];
  return names
    .filter((name) => (frame[name] ?? null) !== null && !ELSEWHERE.has(name))
    .flatMap((name) => [h('dt', { text: name }), fact(name, frame[name], merchantName)]);
}

function fact(name, value, merchantName) {
  if (name === 'offset') return h('dd', { class: 'number', text: `#${grouped(value)}` });
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const called = name === 'merchant_id' ? merchantName(value) : text;
  const beside = called !== text && h('span', { class: 'fact-name', text: called });
  return h('dd', {}, beside, h('code', { text }));
}

customElements.define('event-inspector', EventInspector);

/**
 * `<message-thread>`: what was said in one conversation, the newest below, a day after the other.
 *
 * Fires `older` where a person asks for what was said before.
 */
import { counted, fullTime } from './format.js';
import { h, setText } from './dom.js';
import { Keyed } from './keyed.js';
import './status-pill.js';

const DAY = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
/** As near to its end as this, and a reader goes on with it, px. */
const NEAR_PX = 48;
/** How a message that was sent is marked, as people know it from their phones. */
const TICKS = { queued: '…', sent: '✓', delivered: '✓✓', read: '✓✓', failed: '!' };

/** @param {HTMLElement} element @param {string} status */
export function tick(element, status) {
  setText(element, TICKS[status] ?? '');
  element.dataset.status = status;
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', status);
}

export class MessageThread extends HTMLElement {
  #older = h('button', {
    type: 'button',
    class: 'button show-more',
    hidden: true,
    onclick: () => this.dispatchEvent(new CustomEvent('older')),
  });
  #lines = h('ol', { class: 'thread-lines', role: 'list' });
  #scroller = h(
    'div',
    { class: 'thread-scroll', role: 'log', 'aria-label': 'Messages', tabindex: '0' },
    this.#older,
    this.#lines,
  );
  #list = new Keyed(this.#lines, line);
  #newest = '';

  connectedCallback() {
    if (!this.firstChild) this.append(this.#scroller);
  }

  /** Another conversation follows. */
  clear() {
    this.#newest = '';
    this.#older.hidden = true;
    this.#list.show([]);
  }

  /**
   * @param {import('../state/conversations.js').Message[]} messages the newest first
   * @param {{ more: boolean }} how whether there are older ones
   */
  show(messages, { more }) {
    const scroller = this.#scroller;
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    const height = scroller.scrollHeight;
    const first = this.#newest === '';
    const newest = messages[0]?.id ?? '';
    this.#older.hidden = !more;
    setText(this.#older, 'Older messages');
    this.#list.show(linesOf(messages));
    // Who reads at the end goes on there; who reads above is not moved, whatever comes at either end.
    if (first || below < NEAR_PX) scroller.scrollTop = scroller.scrollHeight;
    else if (newest === this.#newest) scroller.scrollTop += scroller.scrollHeight - height;
    this.#newest = newest;
  }

  /** Older ones are on their way. */
  wait() {
    setText(this.#older, 'Loading…');
  }
}

/** @returns {[string, any][]} days and messages, the oldest first */
function linesOf(messages) {
  const lines = [];
  let day = '';
  for (const message of [...messages].reverse()) {
    const of = new Date(message.created_at).toDateString();
    if (of !== day) {
      day = of;
      lines.push([`day ${of}`, { day: DAY.format(new Date(message.created_at)) }]);
    }
    lines.push([message.id, { message }]);
  }
  return lines;
}

function line(key) {
  return key.startsWith('day ') ? dayLine() : messageLine();
}

function dayLine() {
  const text = h('span');
  return {
    element: h('li', { class: 'thread-day' }, text),
    show: ({ day }) => setText(text, day),
  };
}

function messageLine() {
  const kind = h('span', { class: 'message-kind' });
  const text = h('p', { class: 'message-text' });
  const time = h('time');
  const mark = h('span', { class: 'message-tick' });
  const error = h('p', { class: 'message-error' });
  const bubble = h(
    'div',
    { class: 'message' },
    h('span', { class: 'unseen message-who' }),
    kind,
    text,
    error,
    h('span', { class: 'message-foot number' }, time, mark),
  );
  const element = h('li', { class: 'thread-message' }, bubble);
  return {
    element,
    show({ message }) {
      const inbound = message.direction === 'inbound';
      element.dataset.direction = message.direction;
      setText(bubble.firstChild, inbound ? 'Customer:' : 'You:');
      const kinds = [message.type === 'text' ? '' : message.type, message.template_id && 'template'];
      setText(kind, kinds.filter(Boolean).join(' · '));
      kind.hidden = !kind.textContent;
      setText(text, message.text ?? '');
      text.hidden = !message.text;
      setText(error, message.error ?? '');
      error.hidden = !message.error;
      setText(time, TIME.format(new Date(message.created_at)));
      time.dateTime = message.created_at;
      time.title = fullTime(message.created_at);
      mark.hidden = inbound;
      tick(mark, message.status);
    },
  };
}

/** @param {number} shown @param {boolean} more @returns {string} */
export function howMany(shown, more) {
  return shown ? `${counted(shown, 'message')}${more ? ', and older' : ''}` : '';
}

customElements.define('message-thread', MessageThread);

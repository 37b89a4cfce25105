/**
 * `<conversation-list>`: whom a merchant writes with, each a button that opens what was said.
 *
 * Fires `open` (detail: the phone).
 */
import { nameOf } from '../state/conversations.js';
import { h, setText } from './dom.js';
import { compact, fullTime, relativeTime } from './format.js';
import { Keyed } from './keyed.js';
import { tick } from './message-thread.js';

export class ConversationList extends HTMLElement {
  #rows = h('ul', { class: 'conversation-rows', role: 'list', 'aria-label': 'Conversations' });
  #list = new Keyed(this.#rows, (phone) => row(() => this.#open(phone)));

  connectedCallback() {
    if (!this.firstChild) this.append(this.#rows);
  }

  /**
   * @param {import('../state/conversations.js').Conversation[]} conversations
   * @param {{ opened: string, now: number }} how the phone whose messages are shown; ms
   */
  show(conversations, { opened, now }) {
    this.#list.show(
      conversations.map((conversation) => [
        conversation.phone,
        { conversation, opened: conversation.phone === opened, now },
      ]),
    );
  }

  /** Puts the keyboard on a conversation. @param {string} phone */
  focusOn(phone) {
    this.#list.element(phone)?.querySelector('button').focus();
  }

  #open(phone) {
    this.dispatchEvent(new CustomEvent('open', { detail: phone }));
  }
}

function row(onclick) {
  const name = h('span', { class: 'conversation-name number' });
  const time = h('time', { class: 'conversation-time' });
  const mark = h('span', { class: 'message-tick' });
  const text = h('span', { class: 'conversation-text' });
  const count = h('span', { class: 'conversation-count number' });
  const main = h(
    'button',
    { type: 'button', class: 'conversation-main', onclick },
    h('span', { class: 'conversation-line' }, name, time),
    h('span', { class: 'conversation-line' }, mark, text, count),
  );
  return {
    element: h('li', { class: 'conversation-row' }, main),
    show({ conversation, opened, now }) {
      const inbound = conversation.direction === 'inbound';
      setText(name, nameOf(conversation));
      setText(time, relativeTime(conversation.at, now));
      time.dateTime = conversation.at;
      time.title = fullTime(conversation.at);
      mark.hidden = inbound;
      tick(mark, conversation.status);
      setText(text, conversation.text?.replace(/\s+/g, ' ') || 'No text');
      text.classList.toggle('none', !conversation.text);
      setText(count, compact(conversation.count));
      count.setAttribute('aria-label', `${conversation.count} messages`);
      if (opened) main.setAttribute('aria-current', 'true');
      else main.removeAttribute('aria-current');
    },
  };
}

customElements.define('conversation-list', ConversationList);

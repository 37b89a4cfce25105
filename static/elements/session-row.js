/**
 * One connection in the table of those who are connected.
 */
import { DOORS, filterText } from '../state/sessions.js';
import { h, icon, setText } from './dom.js';
import { bytes, counted, fullTime, grouped, relativeTime } from './format.js';

/** @type {Record<string, { label: string, title: string }>} */
const STATES = {
  live: { label: 'live', title: 'Receives events as they are stored' },
  replaying: { label: 'replaying', title: 'Is being caught up with the log' },
  stalled: { label: 'stalled', title: 'Does not read: it is caught up when it does' },
  idle: { label: 'idle', title: 'Follows no events' },
};

export class SessionRow {
  #role = h('span', { class: 'role' });
  #name = h('span', { class: 'session-name' });
  #own = h('span', { class: 'own-mark' });
  #where = h('span', { class: 'second' });
  #merchant = h('span');
  #door = h('span');
  #since = h('time');
  #until = h('span', { class: 'second' });
  #filter = h('span', { class: 'clamped' });
  #state = h('span', { class: 'state-chip' });
  #position = h('span', { class: 'second number' });
  #traffic = h('span', { class: 'number' });
  #published = h('span', { class: 'second number' });
  /** @type {HTMLButtonElement} */
  button = h(
    'button',
    { type: 'button', class: 'button small', tabindex: '-1' },
    icon('unplug'),
    h('span', { text: 'Disconnect' }),
  );
  /** @type {import('../state/sessions.js').Connected | null} */
  session = null;
  ended = false;

  /** @param {string} id */
  constructor(id) {
    this.element = h(
      'div',
      { class: 'session', role: 'row', tabindex: '-1', 'data-session': id },
      cell('who', h('span', { class: 'who' }, this.#role, this.#name, this.#own), this.#where),
      cell('merchant', this.#merchant),
      cell('since', this.#since, this.#until),
      cell('door', this.#door),
      cell('filter', this.#filter),
      cell('state', this.#state, this.#position),
      cell('traffic', this.#traffic, this.#published),
      cell('action', this.button),
    );
  }

  /**
   * @param {object} row
   * @param {import('../state/sessions.js').Connected} row.session
   * @param {boolean} row.ended
   * @param {boolean} row.own whether it is the connection of this page
   * @param {string} row.merchant its name
   */
  show({ session, ended, own, merchant }) {
    this.session = session;
    this.ended = ended;
    this.element.classList.toggle('ended', ended);
    this.#role.dataset.role = session.role;
    setText(this.#role, session.role);
    setText(this.#name, session.name || session.key_id);
    this.#name.title = `${session.name} · session ${session.id} · key ${session.key_id}`;
    setText(this.#own, own ? 'this page' : '');
    setText(this.#where, [session.address, session.agent].filter(Boolean).join(' · '));
    this.#where.title = this.#where.textContent;
    setText(this.#merchant, merchant || 'all merchants');
    this.#merchant.classList.toggle('muted', !merchant);
    setText(this.#door, DOORS[session.door] ?? session.door);
    this.#showTimes(session);
    setText(this.#filter, filterText(session));
    this.#filter.title = this.#filter.textContent;
    this.#showState(session, ended);
    setText(this.#traffic, `${bytes(session.bytes_in)} in · ${bytes(session.bytes_out)} out`);
    const { published } = session;
    setText(this.#published, published ? `${counted(published, 'event')} published` : '');
    this.button.hidden = own;
    // A button that is disabled while it has the focus would lose it.
    this.button.setAttribute('aria-disabled', String(ended));
    this.button.setAttribute('aria-label', `Disconnect ${session.name || session.id}`);
  }

  #showTimes({ connected_at: since, expires_at: until }) {
    this.#since.dateTime = since;
    this.#since.title = fullTime(since);
    setText(this.#since, relativeTime(since));
    setText(this.#until, until ? `ends ${relativeTime(until)}` : '');
    this.#until.title = until ? fullTime(until) : '';
  }

  #showState({ state, cursor, lag }, ended) {
    const { label, title } = ended
      ? { label: 'ended', title: 'Is not connected any more' }
      : (STATES[state] ?? { label: state, title: '' });
    this.#state.dataset.state = ended ? 'ended' : state;
    this.#state.title = title;
    setText(this.#state, label);
    const behind = lag > 0 ? ` · ${grouped(lag)} behind` : '';
    setText(this.#position, state === 'idle' ? '' : `#${grouped(cursor)}${behind}`);
  }
}

function cell(name, ...children) {
  return h('div', { class: `cell cell-${name}`, role: 'gridcell' }, ...children);
}

/**
 * One change in the list of the audit: a line of what happened, and what differs when it is opened.
 */
import {
  ACTIONS,
  actorName,
  kindOf,
  orderedChanges,
  sentenceOf,
  sentenceParts,
} from './audit-summary.js';
import { changeList } from './change-list.js';
import { h, icon, setText } from './dom.js';
import { fullTime, relativeTime } from './format.js';

export class AuditRowView {
  #merchant = h('span', { class: 'second' });
  #time = h('time', { class: 'audit-ago' });
  #day = h('span', { class: 'second number audit-exact' });
  #detail;
  #row;
  /** @type {HTMLButtonElement} */
  button;
  opened = false;

  /** @param {import('../state/audit.js').AuditRow} row */
  constructor(row) {
    this.#row = row;
    const id = `audit-${row.id}`;
    const { label, sign } = ACTIONS[row.action] ?? { label: row.action, sign: '?' };
    const { verb, kind, name, detail } = sentenceParts(row);
    this.#detail = h('div', { class: 'audit-detail', id, hidden: true });
    this.#time.dateTime = row.created_at;
    this.#time.title = fullTime(row.created_at);
    setText(this.#day, exactTime(row.created_at));
    this.button = h(
      'button',
      { type: 'button', class: 'audit-line', 'aria-expanded': 'false', 'aria-controls': id },
      h('span', { class: 'audit-sign', title: label, 'aria-hidden': 'true', text: sign }),
      h(
        'span',
        { class: 'audit-what', title: sentenceOf(row) },
        `${verb} ${kind} `,
        h('strong', { text: name }),
        detail && `: ${detail}`,
      ),
      h(
        'span',
        { class: 'audit-who' },
        h('span', { class: 'role', 'data-role': row.actor.role, text: row.actor.role }),
        h('span', { class: 'audit-actor', text: actorName(row.actor) }),
      ),
      this.#merchant,
      h('span', { class: 'audit-when', title: fullTime(row.created_at) }, this.#time, this.#day),
      icon('next'),
    );
    this.element = h(
      'li',
      { class: 'audit-row', 'data-action': row.action, 'data-audit': row.id },
      this.button,
      this.#detail,
    );
  }

  /** @param {string} merchant its name; empty where all are of one */
  show(merchant) {
    setText(this.#merchant, merchant);
    this.#merchant.title = merchant;
    setText(this.#time, relativeTime(this.#row.created_at));
  }

  /** @param {boolean} opened */
  open(opened) {
    this.opened = opened;
    this.button.setAttribute('aria-expanded', String(opened));
    this.element.classList.toggle('opened', opened);
    if (opened && !this.#detail.firstChild) this.#detail.append(...detailOf(this.#row));
    this.#detail.hidden = !opened;
  }
}

/** @param {string} timestamp @returns {string} `22 Nov, 10:00:00`, local */
function exactTime(timestamp) {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return timestamp;
  return EXACT.format(date);
}

const EXACT = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

function detailOf(row) {
  const changes = orderedChanges(row.changes);
  return [changeList(changes), h('dl', { class: 'facts audit-facts' }, ...facts(row))];
}

function facts(row) {
  const { actor } = row;
  const only = (changes, text) =>
    h('button', {
      type: 'button',
      class: 'button small audit-only',
      text,
      'data-only': JSON.stringify(changes),
    });
  return [
    fact('When', h('time', { datetime: row.created_at, text: fullTime(row.created_at) })),
    fact(
      'Who',
      h('span', { class: 'fact-name', text: fullName(actor) }),
      actor.id && h('code', { text: actor.id }),
      actor.id && only({ actor_id: actor.id }, 'Only this actor'),
    ),
    fact(
      'What',
      h('span', { class: 'fact-name', text: kindOf(row.target_type) }),
      h('code', { text: row.target_id }),
      only({ target_type: row.target_type, target_id: row.target_id }, 'Only this target'),
    ),
    row.merchant_id && fact('Merchant', h('code', { text: row.merchant_id })),
    row.address && fact('From', h('span', { text: row.address })),
    row.agent && fact('With', h('span', { text: row.agent })),
  ]
    .filter(Boolean)
    .flat();
}

function fullName({ id, role, name }) {
  if (id === null) return 'the hub';
  return name === null ? `${role} key` : `${name} (${role})`;
}

function fact(name, ...children) {
  return [h('dt', { text: name }), h('dd', {}, ...children)];
}

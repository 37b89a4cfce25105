/**
 * `<audit-filter>`: which changes are shown. Fires `filter` (detail: the fields that changed, null
 * for one that is not asked for any more).
 */
import { ACTIONS, KINDS, kindOf } from './audit-summary.js';
import { h, icon, setText } from './dom.js';

export class AuditFilter extends HTMLElement {
  #action = select('Action', [
    ['', 'Any action'],
    ...Object.entries(ACTIONS).map(([value, { label }]) => [value, label]),
  ]);
  #type = select('Kind', [
    ['', 'Anything'],
    ...Object.keys(KINDS).map((type) => [type, capital(kindOf(type))]),
  ]);
  #actor = input('Actor', { type: 'search', placeholder: 'Name or id', list: 'audit-actors' });
  #target = input('Target', { type: 'search', placeholder: 'Id' });
  #from = input('From', { type: 'datetime-local' });
  #to = input('Until', { type: 'datetime-local' });
  #actors = h('datalist', { id: 'audit-actors' });
  #count = h('span', { class: 'filter-count number' });
  #toggle = h(
    'button',
    {
      type: 'button',
      class: 'button filter-toggle',
      'aria-expanded': 'false',
      'aria-controls': 'audit-fields',
    },
    icon('search'),
    h('span', { text: 'Filters' }),
    this.#count,
  );
  #clear = h('button', { type: 'button', class: 'button', text: 'Clear' });
  #fields = h(
    'div',
    { class: 'audit-fields', id: 'audit-fields' },
    this.#action.element,
    this.#type.element,
    this.#actor.element,
    this.#target.element,
    this.#from.element,
    this.#to.element,
    this.#clear,
  );
  /** @type {{ id: string, name: string }[]} */
  #known = [];
  /** @type {Record<string, string>} */
  #shown = {};

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#toggle, this.#fields, this.#actors);
    this.#toggle.addEventListener('click', () => {
      const opened = this.classList.toggle('opened');
      this.#toggle.setAttribute('aria-expanded', String(opened));
    });
    this.#clear.addEventListener('click', () => {
      this.#fire(Object.fromEntries(Object.keys(this.#shown).map((name) => [name, null])));
    });
    const parts = [
      ['action', this.#action, (value) => value],
      ['target_type', this.#type, (value) => value],
      ['actor_id', this.#actor, (value) => this.#idOf(value)],
      ['target_id', this.#target, (value) => value],
      ['from', this.#from, instant],
      ['to', this.#to, instant],
    ];
    for (const [name, { control }, read] of parts) {
      control.addEventListener('change', () => {
        this.#fire({ [name]: read(control.value.trim()) || null });
      });
    }
  }

  /** @param {{ id: string, name: string }[]} known whom an actor may be */
  knows(known) {
    this.#known = known;
    this.#actors.replaceChildren(
      ...known.map(({ name, id }) => h('option', { value: id, text: name })),
    );
    this.show(this.#shown);
  }

  /** @param {Record<string, string>} filter */
  show(filter) {
    this.#shown = filter;
    const { action = '', target_type: type = '', actor_id: actor = '' } = filter;
    choose(this.#action.control, action, action);
    choose(this.#type.control, type, capital(kindOf(type)));
    const known = this.#known.find(({ id }) => id === actor);
    const unique = known && this.#known.filter(({ name }) => name === known.name).length === 1;
    write(this.#actor.control, unique ? known.name : actor);
    write(this.#target.control, filter.target_id ?? '');
    write(this.#from.control, local(filter.from));
    write(this.#to.control, local(filter.to));
    const count = Object.keys(filter).length;
    setText(this.#count, count ? String(count) : '');
    this.#count.hidden = count === 0;
    this.#clear.disabled = count === 0;
  }

  #idOf(text) {
    return this.#known.find(({ id, name }) => text === id || text === name)?.id ?? text;
  }

  #fire(detail) {
    this.dispatchEvent(new CustomEvent('filter', { detail }));
  }
}

function labelled(label, control) {
  return { control, element: h('label', { class: 'audit-field' }, caption(label), control) };
}

function caption(text) {
  return h('span', { class: 'field-label', text });
}

function select(label, options) {
  const made = options.map(([value, text]) => h('option', { value, text }));
  return labelled(label, h('select', { class: 'field' }, ...made));
}

function input(label, attributes) {
  return labelled(
    label,
    h('input', {
      class: 'field',
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
      ...attributes,
    }),
  );
}

/** Of a newer hub, or of a link that somebody wrote: it is shown as it is. */
function choose(control, value, text) {
  if (![...control.options].some((option) => option.value === value)) {
    control.append(h('option', { value, text }));
  }
  control.value = value;
}

/** What is being typed stays: an equal write would move the cursor. */
function write(control, value) {
  if (control.value.trim() !== value) control.value = value;
}

function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** @param {string} text local time as a field has it @returns {string} RFC 3339 in UTC */
function instant(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** @param {string | undefined} timestamp @returns {string} local time as a field takes it */
function local(timestamp) {
  const date = new Date(timestamp ?? '');
  if (Number.isNaN(date.getTime())) return '';
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19).replace(/:00$/, '');
}

customElements.define('audit-filter', AuditFilter);

/**
 * `<template-list>`: templates in lines, each a link that opens one.
 */
import { gist, TYPES } from '../state/templates.js';
import { h, setText } from './dom.js';
import { counted, fullTime, relativeTime } from './format.js';
import { Keyed } from './keyed.js';
import './status-pill.js';

const HEAD = ['Template', 'Type', 'Says', 'Language', 'State', 'Changed'];
const TYPE_NAMES = new Map(TYPES);

export class TemplateList extends HTMLElement {
  #rows = h('ul', { class: 'template-rows', role: 'list', 'aria-label': 'Templates' });
  #list = new Keyed(this.#rows, () => templateRow());

  connectedCallback() {
    if (this.firstChild) return;
    const head = h(
      'div',
      { class: 'template-head', 'aria-hidden': 'true' },
      ...HEAD.map((text) => h('span', { text })),
    );
    this.append(head, this.#rows);
  }

  /**
   * @param {import('../state/templates.js').Template[]} templates
   * @param {object} how
   * @param {(id: string) => string} how.href where one is opened
   * @param {(id: string) => string} how.merchantName empty where only one is shown
   * @param {number} how.now ms
   */
  show(templates, { href, merchantName, now }) {
    this.#list.show(
      templates.map((template) => [
        template.id,
        { template, href: href(template.id), merchant: merchantName(template.merchant_id), now },
      ]),
    );
  }

  /** Puts the keyboard on a template. @param {string} id */
  focusOn(id) {
    this.#list.element(id)?.querySelector('a').focus();
  }
}

function templateRow() {
  const name = h('span', { class: 'template-name' });
  const second = h('span', { class: 'second' });
  const type = h('span', { class: 'template-type' });
  const says = h('span', { class: 'template-gist' });
  const language = h('span', { class: 'template-language' });
  const state = h('status-pill');
  const time = h('time', { class: 'template-time' });
  const main = h(
    'a',
    { class: 'template-main' },
    h('span', { class: 'template-what' }, name, second),
    type,
    says,
    language,
    h('span', { class: 'template-state' }, state),
    time,
  );
  return {
    element: h('li', { class: 'template-row' }, main),
    show({ template, href, merchant, now }) {
      if (main.getAttribute('href') !== href) main.setAttribute('href', href);
      setText(name, template.name);
      const holes = template.variables.length;
      const facts = [merchant, template.description, holes && counted(holes, 'variable')];
      setText(second, facts.filter(Boolean).join(' · '));
      setText(type, TYPE_NAMES.get(template.type) ?? template.type);
      setText(says, gist(template));
      setText(language, template.language);
      state.show(template.status);
      setText(time, relativeTime(template.updated_at, now));
      time.dateTime = template.updated_at;
      time.title = fullTime(template.updated_at);
    },
  };
}

customElements.define('template-list', TemplateList);

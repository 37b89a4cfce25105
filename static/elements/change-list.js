/**
 * What differs between two states of a row, field by field.
 */
import { h } from './dom.js';
import './json-view.js';

/**
 * @param {{ field: string, before: unknown, after: unknown }[]} changes
 * @returns {HTMLElement}
 */
export function changeList(changes) {
  if (changes.length === 0) return h('p', { class: 'muted', text: 'No field differs.' });
  return h('dl', { class: 'changes' }, ...changes.map(change));
}

/** What was there and what is, each with its sign: the colour only repeats it. */
function change({ field, before, after }) {
  return h(
    'div',
    { class: 'change' },
    h('dt', { class: 'change-field', text: field }),
    before !== null && value('removed', 'Before', '−', before),
    after !== null && value('added', 'After', '+', after),
  );
}

function value(kind, label, sign, content) {
  return h(
    'dd',
    { class: `change-value ${kind}` },
    h('span', { class: 'change-sign', 'aria-hidden': 'true', text: sign }),
    h('span', { class: 'unseen', text: `${label}: ` }),
    body(content),
  );
}

function body(content) {
  if (typeof content === 'object') {
    const json = h('json-view');
    json.show(content);
    return json;
  }
  if (content === '') return h('span', { class: 'muted', text: 'empty' });
  return h('span', { class: 'change-text', text: String(content) });
}

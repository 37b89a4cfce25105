/**
 * Text of the document: paragraphs, lists and `code`, of what Markdown the hub writes.
 */
import { h } from '../elements/dom.js';

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
export function prose(text) {
  const blocks = text.trim().split(/\n\n+/);
  return h('div', { class: 'prose' }, ...blocks.map(block));
}

function block(text) {
  if (!text.startsWith('- ')) return h('p', {}, ...inline(text));
  const items = text.slice(2).split(/\n- /);
  return h('ul', {}, ...items.map((item) => h('li', {}, ...inline(item))));
}

function inline(text) {
  return text.split('`').map((part, index) => (index % 2 ? h('code', { text: part }) : part));
}

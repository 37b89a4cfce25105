/** The name, with its mark. */
import { h } from '../elements/dom.js';

/** @returns {HTMLElement} */
export function brand() {
  const mark = h('img', { src: '/static/icon.svg', alt: '', width: '20', height: '20' });
  return h('span', { class: 'brand' }, mark, h('span', { text: 'Smart Bot Hub' }));
}

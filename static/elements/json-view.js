/**
 * `<json-view>`: a value, pretty-printed and coloured.
 */
import { h } from './dom.js';

export class JsonView extends HTMLElement {
  /** @param {unknown} value */
  show(value) {
    const code = h('code');
    write(code, value, '');
    this.replaceChildren(h('pre', { tabindex: '0' }, code));
  }
}

function write(into, value, indent) {
  if (value === null || typeof value !== 'object') {
    into.append(
      h('span', {
        class: `json-${value === null ? 'null' : typeof value}`,
        text: JSON.stringify(value),
      }),
    );
    return;
  }
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = list ? '[]' : '{}';
  if (entries.length === 0) {
    into.append(open + close);
    return;
  }
  const inner = `${indent}  `;
  into.append(`${open}\n`);
  entries.forEach(([key, child], index) => {
    into.append(inner);
    if (!list) into.append(h('span', { class: 'json-key', text: JSON.stringify(key) }), ': ');
    write(into, child, inner);
    into.append(index < entries.length - 1 ? ',\n' : '\n');
  });
  into.append(indent + close);
}

customElements.define('json-view', JsonView);

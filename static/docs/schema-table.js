/**
 * `<schema-table>`: the members of an object, one a line; those that are objects open in place.
 */
import { h } from '../elements/dom.js';
import { boundsOf, resolve, typeOf } from './document.js';
import { prose } from './prose.js';

export class SchemaTable extends HTMLElement {
  /**
   * @param {any} document
   * @param {any} schema
   */
  show(document, schema) {
    this.replaceChildren(members(document, schema));
  }
}

/** A list of members, or of the cases of which one is chosen. */
function members(document, schema) {
  const found = resolve(document, schema);
  if (found.properties) {
    const needed = new Set(found.required ?? []);
    return h(
      'ul',
      { class: 'schema' },
      ...Object.entries(found.properties).map(([name, each]) =>
        member(document, name, each, needed.has(name)),
      ),
    );
  }
  const cases = (found.anyOf ?? []).filter((each) => objectIn(document, each));
  return h(
    'ul',
    { class: 'schema' },
    ...cases.map((each, index) => member(document, caseName(document, each, index), each, false)),
  );
}

function member(document, name, schema, needed) {
  const inside = objectIn(document, schema);
  const about = [...boundsOf(schema)];
  const line = [
    h('code', { class: 'schema-name', text: name }),
    h('span', { class: 'schema-type', text: typeOf(schema) }),
    needed && h('span', { class: 'schema-needed', text: 'required' }),
  ];
  const words = [
    schema.description && prose(schema.description),
    about.length > 0 && h('p', { class: 'schema-bounds', text: about.join(' · ') }),
  ];
  if (!inside) return h('li', {}, h('div', { class: 'schema-line' }, ...line), ...words);
  // A type may have itself inside: what is in it is made when it is opened.
  const details = h('details', {}, h('summary', { class: 'schema-line' }, ...line));
  details.addEventListener('toggle', () => details.append(members(document, inside)), {
    once: true,
  });
  return h('li', {}, details, ...words);
}

/** The object that a schema is, has items of, or may be; nothing for a plain value. */
function objectIn(document, schema) {
  const found = resolve(document, schema);
  if (found.properties) return found;
  if (found.type === 'array') return objectIn(document, found.items ?? {});
  const cases = (found.anyOf ?? []).filter((each) => objectIn(document, each));
  if (cases.length === 1) return objectIn(document, cases[0]);
  return cases.length ? found : null;
}

function caseName(document, schema, index) {
  const { properties, title } = resolve(document, schema);
  return properties?.type ? typeOf(properties.type) : (title ?? `case ${index + 1}`);
}

customElements.define('schema-table', SchemaTable);

/**
 * One operation, folded until somebody wants it.
 */
import { h } from '../elements/dom.js';
import '../elements/json-view.js';
import { exampleOf, nameOf, resolve, typeOf, boundsOf } from './document.js';
import { prose } from './prose.js';
import './schema-table.js';
import './try-form.js';

/**
 * @param {any} document
 * @param {import('./document.js').Operation} operation
 * @param {() => string} credential
 * @returns {HTMLDetailsElement}
 */
export function operationView(document, operation, credential) {
  const { id, method, path, raw } = operation;
  const details = h(
    'details',
    { class: 'operation', id },
    h(
      'summary',
      {},
      h('span', { class: `method method-${method.toLowerCase()}`, text: method }),
      h('code', { class: 'operation-path', text: path }),
      h('span', { class: 'operation-summary', text: raw.summary }),
    ),
  );
  details.addEventListener('toggle', () => details.append(content(document, operation, credential)), {
    once: true,
  });
  return details;
}

function content(document, operation, credential) {
  const { raw } = operation;
  const body = raw.requestBody?.content['application/json'];
  const form = h('try-form');
  form.show(operation, credential);
  return h(
    'div',
    { class: 'operation-content' },
    h('p', { class: 'facts' }, ...facts(operation)),
    raw.description && prose(raw.description),
    raw.parameters && section('Parameters', parameters(raw.parameters)),
    body && section('Body', table(document, body.schema)),
    section('Try it', form),
    section('Answers', answers(document, raw.responses)),
  );
}

function* facts({ id, raw }) {
  yield h('span', {}, 'call ', h('code', { text: id }));
  if (raw['x-roles']) yield h('span', { text: `for ${raw['x-roles'].join(', ')}` });
  if (raw.security?.length === 0) yield h('span', { text: 'for everybody, without a key' });
  if (raw['x-events']) yield h('span', {}, 'records ', h('code', { text: raw['x-events'].join(', ') }));
}

function section(title, ...children) {
  return h('section', {}, h('h4', { text: title }), ...children);
}

function parameters(list) {
  return h(
    'ul',
    { class: 'schema' },
    ...list.map(({ name, in: place, required, schema, description }) =>
      h(
        'li',
        {},
        h(
          'div',
          { class: 'schema-line' },
          h('code', { class: 'schema-name', text: name }),
          h('span', { class: 'schema-type', text: `${place} · ${typeOf(schema)}` }),
          required && h('span', { class: 'schema-needed', text: 'required' }),
        ),
        description && prose(description),
        boundsOf(schema).length > 0 &&
          h('p', { class: 'schema-bounds', text: boundsOf(schema).join(' · ') }),
      ),
    ),
  );
}

function table(document, schema) {
  const made = h('schema-table');
  made.show(document, schema);
  return made;
}

function answers(document, responses) {
  return h(
    'div',
    { class: 'answers' },
    ...Object.entries(responses).map(([status, given]) => {
      const { description, headers = {}, content = {} } = resolve(document, given);
      const details = h(
        'details',
        {},
        h(
          'summary',
          {},
          h('span', { class: `status status-${status[0]}`, text: status }),
          h('span', { text: description }),
        ),
      );
      details.addEventListener(
        'toggle',
        () => {
          details.append(
            h('p', { class: 'schema-bounds', text: Object.keys(headers).join(' · ') }),
            ...Object.entries(content).flatMap(([media, each]) => answer(document, media, each)),
          );
        },
        { once: true },
      );
      return details;
    }),
  );
}

function answer(document, media, content) {
  const title = [media, nameOf(content.schema)].filter(Boolean).join(' · ');
  const found = [h('p', { class: 'muted', text: title }), table(document, content.schema)];
  const example = exampleOf(content);
  if (example !== undefined) {
    const view = h('json-view');
    view.show(example);
    found.push(view);
  }
  return found;
}

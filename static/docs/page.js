/**
 * The page of the REST door: reads /openapi.json, and lets a signed-in browser or a pasted key try
 * what is in it. The key stays in this page's memory.
 */
import { h, setText } from '../elements/dom.js';
import { brand } from '../views/brand.js';
import { matches, resources } from './document.js';
import { operationView } from './operation.js';
import { prose } from './prose.js';

const place = document.getElementById('docs');

try {
  const [description, who] = await Promise.all([read('/openapi.json'), signedIn()]);
  show(description, who);
} catch {
  const again = h('button', { class: 'button', type: 'button', text: 'Try again' });
  again.addEventListener('click', () => location.reload());
  const words = h('p', { role: 'alert', text: 'The hub did not answer with its description.' });
  place.replaceChildren(h('div', { class: 'docs-note' }, words, again));
}

async function read(path) {
  const response = await fetch(path, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** Who this browser is to the hub, in a few words; empty for nobody. */
async function signedIn() {
  const response = await fetch('/api/session', { credentials: 'same-origin' });
  if (!response.ok) return '';
  const { session } = await response.json();
  return `${session.name}, ${session.role}`;
}

function show(description, who) {
  const key = h('input', {
    class: 'field',
    id: 'docs-key',
    type: 'password',
    autocomplete: 'off',
    placeholder: who ? 'or paste a key' : 'hub_…',
  });
  const filter = h('input', {
    class: 'field',
    id: 'docs-filter',
    type: 'search',
    placeholder: 'orders, POST …',
    autocomplete: 'off',
  });
  const count = h('p', { class: 'docs-count', role: 'status' });
  const groups = resources(description).map((each) => group(description, each, () => key.value.trim()));

  const draw = () => {
    let shown = 0;
    for (const { element, link, rows } of groups) {
      let here = 0;
      for (const { operation, view } of rows) {
        view.hidden = !matches(operation, filter.value.trim());
        here += view.hidden ? 0 : 1;
      }
      element.hidden = link.hidden = here === 0;
      shown += here;
    }
    setText(count, `${shown} ${shown === 1 ? 'operation' : 'operations'}`);
  };
  filter.addEventListener('input', draw);

  place.replaceChildren(
    h('a', { class: 'skip', href: '#operations', text: 'Skip to the operations' }),
    h(
      'header',
      { class: 'docs-bar' },
      h('a', { class: 'docs-home', href: '/', 'aria-label': 'Dashboard' }, brand()),
      h(
        'div',
        { class: 'docs-who' },
        h('label', { for: 'docs-key', text: who ? `Signed in as ${who}` : 'Key' }),
        key,
      ),
    ),
    h(
      'div',
      { class: 'docs-columns' },
      h(
        'nav',
        { 'aria-label': 'Resources', class: 'docs-nav' },
        h('label', { class: 'field-label', for: 'docs-filter', text: 'Filter' }),
        filter,
        count,
        h('ul', {}, ...groups.map(({ link }) => link)),
      ),
      h(
        'main',
        { id: 'operations', tabindex: '-1' },
        h('h1', { text: 'REST' }),
        h('p', { class: 'muted' }, `${description.info.title} ${description.info.version} · `,
          h('a', { href: '/openapi.json', text: '/openapi.json' })),
        prose(description.info.description),
        ...groups.map(({ element }) => element),
      ),
    ),
  );
  draw();
  openNamed();
  window.addEventListener('hashchange', openNamed);
}

function group(description, { name, description: words, operations }, credential) {
  const rows = operations.map((operation) => ({
    operation,
    view: operationView(description, operation, credential),
  }));
  const id = `resource-${name}`;
  return {
    rows,
    link: h('li', {}, h('a', { href: `#${id}`, text: name.replaceAll('_', ' ') })),
    element: h(
      'section',
      { class: 'resource', id, 'aria-labelledby': `${id}-title` },
      h('h2', { id: `${id}-title`, text: name.replaceAll('_', ' ') }),
      words && prose(words),
      ...rows.map(({ view }) => view),
    ),
  };
}

/** Opens the operation that the address names: `/docs#orders.create`. */
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named) return;
  if (named instanceof HTMLDetailsElement) named.open = true;
  named.scrollIntoView();
}

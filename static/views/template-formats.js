/**
 * The message as each gateway takes it, side by side.
 */
import '../elements/copy-button.js';
import '../elements/json-view.js';
import { h } from '../elements/dom.js';

/** @type {[format: string, name: string, what: string][]} */
const FORMATS = [
  ['cloud', 'Cloud API', 'Meta’s own'],
  ['baileys', 'Baileys', 'older buttons and lists'],
  ['baileys_native', 'Baileys, native flow', 'interactive messages'],
  ['whatsapp-web.js', 'whatsapp-web.js', 'a text, or a file with its caption'],
  ['text', 'Plain text', 'where there is nothing else'],
];

/** @param {import('../state/live-preview.js').LivePreview} preview */
export function templateFormats(preview) {
  const note = h('p', { class: 'form-note', role: 'status' });
  const warnings = h('ul', {
    class: 'preview-warnings',
    role: 'list',
    'aria-label': 'Good to know',
  });
  const cards = FORMATS.map(([format, name, what]) => card(format, name, what));
  const element = h(
    'div',
    { class: 'template-formats' },
    note,
    warnings,
    h('div', { class: 'format-cards' }, ...cards.map((each) => each.element)),
  );

  function draw({ result, errors, problem }) {
    const wrong = errors.length > 0;
    note.textContent = wrong
      ? 'Something is wrong with the template: until it is mended there is no message. The preview says what it is.'
      : problem || (result ? '' : 'Loading…');
    note.hidden = note.textContent === '';
    const notes = wrong ? [] : (result?.warnings ?? []);
    warnings.replaceChildren(...notes.map((text) => h('li', { text })));
    warnings.hidden = notes.length === 0;
    for (const { format, show } of cards) show(wrong ? null : (result?.preview[format] ?? null));
  }

  return { element, leave: preview.store.watch(draw) };
}

function card(format, name, what) {
  const copy = h('copy-button', { label: 'Copy' });
  const content = h('div', { class: 'format-content' });
  let message = null;
  let shown = '';
  copy.text = () => (typeof message === 'string' ? message : JSON.stringify(message, null, 2));
  return {
    format,
    element: h(
      'section',
      { class: 'format-card', 'aria-label': name, 'data-format': format },
      h(
        'header',
        { class: 'format-head' },
        h(
          'div',
          { class: 'format-name' },
          h('h3', { text: name }),
          h('span', { class: 'second', text: what }),
        ),
        copy,
      ),
      content,
    ),
    /** @param {any} value null: there is none */
    show(value) {
      message = value;
      copy.hidden = value === null;
      const key = JSON.stringify(value);
      if (key === shown) return;
      shown = key;
      content.replaceChildren(view(value));
    },
  };
}

function view(value) {
  if (value === null) return h('p', { class: 'muted', text: 'No message' });
  if (typeof value === 'string') {
    return h('pre', { tabindex: '0', class: 'format-text' }, h('code', { text: value }));
  }
  const json = h('json-view');
  json.show(value);
  return json;
}

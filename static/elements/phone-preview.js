/**
 * `<phone-preview>`: a message as a customer's phone shows it, drawn from a filled template.
 */
import { BUTTONS } from '../state/template-text.js';
import { h, icon } from './dom.js';
import { writeWhatsApp } from './whatsapp-text.js';

/** What opens a list without a text for it; as in `hub/whatsapp/layout.py`. */
const OPENER = 'Choose';

export class PhonePreview extends HTMLElement {
  #chat = h('div', { class: 'phone-chat' });
  #sheet = h('div', { class: 'phone-sheet', role: 'group', 'aria-label': 'The opened list' });
  #shown = '';

  connectedCallback() {
    if (this.firstChild) return;
    this.append(h('div', { class: 'phone' }, this.#chat, this.#sheet));
  }

  /**
   * @param {Record<string, any>} content filled in
   * @param {string[]} missing names of placeholders that have no value
   * @param {string} picture where its picture can be shown from; empty: only its name is shown
   */
  show(content, missing, picture) {
    const key = JSON.stringify([content, missing, picture]);
    if (key === this.#shown) return;
    this.#shown = key;
    const text = (tag, name, value) => {
      const element = h(tag, { class: name });
      writeWhatsApp(element, value, missing);
      return element;
    };
    const { type, buttons = [], media } = content;
    const { header, body, footer } = spoken(content);
    const asList = type === 'list' || buttons.length > BUTTONS;
    const opener = asList && text('span', 'bubble-choice', content.button_text ?? OPENER);
    opener?.prepend?.(icon('menu'));
    const choices = opener
      ? [opener]
      : buttons.map(({ label }) => text('span', 'bubble-choice', label || ' '));
    const said = [
      media && mediaBlock(media, picture),
      header && text('p', 'bubble-header', header),
      body && text('p', 'bubble-body', body),
      footer && text('p', 'bubble-footer', footer),
    ].filter(Boolean);
    if (!said.length) said.push(h('p', { class: 'bubble-none', text: 'It says nothing yet.' }));
    this.#chat.replaceChildren(
      h(
        'div',
        { class: 'bubble' },
        h(
          'div',
          { class: 'bubble-text' },
          ...said,
          h('span', { class: 'bubble-time', text: '09:41' }),
        ),
        choices.length > 0 && h('div', { class: 'bubble-choices' }, ...choices),
      ),
    );
    this.#sheet.hidden = !asList;
    if (asList) this.#sheet.replaceChildren(...this.#list(content, text));
  }

  #list({ button_text: opener = OPENER, sections = [], buttons = [] }, text) {
    const groups = buttons.length
      ? [{ rows: buttons.map(({ label }) => ({ title: label })) }]
      : sections;
    return [
      text('p', 'sheet-title', opener),
      ...groups.map(({ title, rows }) =>
        h(
          'div',
          { class: 'sheet-section' },
          title && text('p', 'sheet-name', title),
          h(
            'ul',
            { role: 'list' },
            ...rows.map((row) =>
              h(
                'li',
                { class: 'sheet-row' },
                h(
                  'span',
                  { class: 'sheet-what' },
                  text('span', 'sheet-row-title', row.title || ' '),
                  row.description && text('span', 'sheet-row-text', row.description),
                ),
                h('span', { class: 'sheet-dot', 'aria-hidden': 'true' }),
              ),
            ),
          ),
        ),
      ),
    ];
  }
}

/** The texts of the bubble: only a message with choices has a header and a footer of its own. */
function spoken({ type, header, body, footer, media }) {
  if (type === 'buttons' || type === 'list') return { header, body, footer };
  const text = [header, media?.caption ?? body, footer].filter(Boolean).join('\n\n');
  return { header: '', body: text, footer: '' };
}

/** A foreign picture is not fetched: whose it is would hear of every preview. */
function mediaBlock({ type, url, media_id: id }, picture) {
  if (type === 'image' && picture) {
    return h('img', { class: 'bubble-picture', src: picture, alt: 'The picture of the message' });
  }
  const name = url ? nameOf(url) : id;
  const kind = type === 'image' ? 'Picture' : 'Document';
  return h(
    'div',
    { class: 'bubble-file', 'data-type': type },
    icon(type === 'image' ? 'media' : 'audit'),
    h(
      'span',
      { class: 'bubble-file-name' },
      h('strong', { text: kind }),
      ` ${name ?? 'not chosen'}`,
    ),
  );
}

function nameOf(url) {
  const path = url.replace(/[?#].*$/, '').replace(/^[a-z]+:\/\//i, '');
  return path.split('/').filter(Boolean).at(-1) ?? url;
}

customElements.define('phone-preview', PhonePreview);

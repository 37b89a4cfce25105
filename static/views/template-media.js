/**
 * The picture or document of a media template: by its address, or one of the merchant's media.
 */
import { countedField } from '../elements/counted-field.js';
import { h, icon } from '../elements/dom.js';
import { field, input, select } from '../elements/fields.js';
import { LIMITS } from '../state/template-text.js';
import { mediaPicker } from './media-picker.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {import('./template-choices.js').Host} host
 */
export function mediaEditor(context, host) {
  const kind = field({
    label: 'Shows',
    pointer: '/media/type',
    control: select(
      [
        ['image', 'A picture'],
        ['document', 'A document'],
      ],
      { disabled: !host.editable },
    ),
  });
  const from = field({
    label: 'From',
    pointer: '/media/from',
    control: select(
      [
        ['url', 'An address'],
        ['media', 'The uploaded media'],
      ],
      { disabled: !host.editable },
    ),
  });
  const url = countedField({
    label: 'Address',
    pointer: '/media/url',
    control: input({ type: 'url', inputmode: 'url', readonly: !host.editable }),
    hint: 'https://host/path, in which variables may stand after the host',
    wide: true,
  });
  const id = field({
    label: 'Id of the media',
    pointer: '/media/media_id',
    control: input({ class: 'mono', readonly: !host.editable, spellcheck: 'false' }),
    hint: 'Of a picture on the Media screen',
    wide: true,
  });
  const pictures = mediaPicker(context, { title: 'Choose a picture', submit: 'Choose', chosen });
  const choose = h(
    'button',
    {
      type: 'button',
      class: 'button small',
      onclick: () =>
        pictures.open({
          merchantId: host.whose().merchant_id ?? null,
          known: [host.draft().media.media_id].filter(Boolean),
        }),
    },
    icon('media'),
    h('span', { text: 'Choose a picture' }),
  );

  /** @param {import('../state/media.js').Media[]} pictures one, or none */
  async function chosen([picture]) {
    if (!picture) return;
    id.control.value = picture.id;
    id.control.dispatchEvent(new Event('input', { bubbles: true }));
  }

  host.add(url, {
    text: () => host.draft().media.url,
    limit: () => LIMITS.address,
    address: true,
  });
  const marked = Object.assign(id, { mark: id.complain });
  host.add(marked);

  function shape() {
    const { media } = host.draft();
    const byUrl = media.from === 'url';
    url.element.hidden = !byUrl;
    id.element.hidden = byUrl;
    choose.hidden = byUrl || !host.editable;
    // What is wrong with the media as a whole is said where it is given.
    url.pointer = byUrl ? '/media' : '/media/url';
    marked.pointer = byUrl ? '/media/media_id' : '/media';
  }

  const keep = (control, member) => {
    control.addEventListener(control.tagName === 'SELECT' ? 'change' : 'input', () => {
      host.draft().media[member] = control.value.trim();
      shape();
      host.changed();
    });
  };
  keep(kind.control, 'type');
  keep(from.control, 'from');
  keep(url.control, 'url');
  keep(id.control, 'media_id');

  return {
    element: h(
      'div',
      { class: 'choice-group' },
      h('div', { class: 'form-grid' }, kind.element, from.element, url.element, id.element),
      choose,
    ),
    /** It stands outside of the form: it is one of its own. */
    dialog: pictures.element,
    load() {
      const { media } = host.draft();
      kind.control.value = media.type;
      from.control.value = media.from;
      url.control.value = media.url;
      id.control.value = media.media_id;
      shape();
    },
  };
}

/**
 * What stands beside the fields: the phone, and what is missing or wrong.
 */
import '../elements/phone-preview.js';
import { h, setText } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { placeOf } from '../state/template-faults.js';
import { placeholder } from '../state/template-text.js';

/** A signed address is good for an hour at least, ms. */
const FRESH_MS = 1_800_000;

/**
 * @param {import('./shell.js').Context} context
 * @param {import('../state/live-preview.js').LivePreview} preview
 * @param {(pointer: string) => void} goTo what is wrong
 */
export function templatePreview({ hub }, preview, goTo) {
  const phone = /** @type {import('../elements/phone-preview.js').PhonePreview} */ (
    h('phone-preview')
  );
  const heading = h('h3', { class: 'preview-title', tabindex: '-1', text: 'Preview' });
  const state = h('p', { class: 'preview-state' });
  const missing = h('p', { class: 'preview-missing' });
  const faults = h('ul', { class: 'preview-faults', role: 'list', 'aria-label': 'What is wrong' });
  const warnings = h('ul', {
    class: 'preview-warnings',
    role: 'list',
    'aria-label': 'Good to know',
  });
  // Said once the keys rest, in one sentence; the list beside it is for the eyes.
  const spoken = h('p', { class: 'unseen', role: 'status' });
  const pictures = pictureAddresses(hub, () => draw(preview.store.value));
  let shownFaults = '';

  function draw({ result, errors, problem, pending }) {
    phone.hidden = result === null;
    const lacking = result?.missing ?? [];
    if (result) {
      phone.show(result.content, lacking, pictures.of(result.content.media));
    }
    setText(state, problem || (result ? '' : 'Loading the preview…'));
    state.hidden = state.textContent === '';
    setText(
      missing,
      lacking.length ? `Without a value: ${lacking.map(placeholder).join(', ')}` : '',
    );
    missing.hidden = lacking.length === 0;
    drawFaults(errors);
    const notes = errors.length ? [] : (result?.warnings ?? []);
    warnings.replaceChildren(...notes.map((text) => h('li', { text })));
    warnings.hidden = notes.length === 0;
    if (!pending) setText(spoken, saying(errors, lacking));
  }

  function drawFaults(errors) {
    const key = JSON.stringify(errors);
    if (key === shownFaults) return;
    shownFaults = key;
    faults.replaceChildren(
      ...errors.map(({ pointer, message }) => {
        const place = placeOf(pointer);
        return h(
          'li',
          {},
          h(
            'button',
            { type: 'button', class: 'fault', onclick: () => goTo(pointer) },
            place && h('strong', { text: `${place}: ` }),
            place ? message : sentence(message),
          ),
        );
      }),
    );
    faults.hidden = errors.length === 0;
  }

  const end = preview.store.watch(draw);
  return {
    element: h(
      'section',
      { class: 'template-preview', 'aria-label': 'Preview' },
      heading,
      state,
      phone,
      missing,
      faults,
      warnings,
      spoken,
    ),
    /** Goes to the phone. */
    focus() {
      heading.focus();
      heading.scrollIntoView();
    },
    leave: end,
  };
}

function saying(errors, missing) {
  if (errors.length) {
    const [{ pointer, message }] = errors;
    const place = placeOf(pointer);
    const more = errors.length > 1 ? `, and ${errors.length - 1} more` : '';
    return `It cannot be sent. ${place ? `${place}: ` : ''}${message}${more}`;
  }
  return missing.length ? `Without a value: ${missing.join(', ')}` : '';
}

/**
 * Where the merchant's media are shown from: their addresses are signed, and open for a while.
 * @param {import('../client/hub.js').Hub} hub
 * @param {() => void} found
 */
function pictureAddresses(hub, found) {
  /** @type {Map<string, { url: string, at: number }>} */
  const known = new Map();
  return {
    /** @param {any} media of a content @returns {string} empty where it is not known */
    of(media) {
      const id = media?.media_id;
      if (!id || media.type !== 'image') return '';
      const now = Date.now();
      const { url = '', at = -Infinity } = known.get(id) ?? {};
      if (now - at > FRESH_MS) {
        known.set(id, { url, at: now });
        hub.call('media.get', { id }).then(
          ({ media: file }) => {
            known.set(id, { url: file.url ?? '', at: now });
            found();
          },
          // The preview itself says what is wrong with it; here its name is enough.
          ({ code }) => code === 'closed' && known.delete(id),
        );
      }
      return url;
    },
  };
}

/**
 * Everything about one picture, in a drawer, and what may be done about it.
 */
import '../elements/copy-button.js';
import '../elements/media-picture.js';
import { detailDrawer } from '../elements/detail-drawer.js';
import { h, icon, setText } from '../elements/dom.js';
import { bytes, counted, fullTime, grouped, shortTime } from '../elements/format.js';
import { statusPill } from '../elements/status-pill.js';
import { Followed } from '../state/followed.js';
import { dimensions, endOf, typeName } from '../state/media.js';
import { formatHash } from './router.js';

/** What may show a picture otherwise, when it changes. */
const PLACES = /^(product|template)\//;

/**
 * @typedef {import('../state/media.js').Media} Media
 * @typedef {{ type: 'product' | 'template', id: string, name: string }} Place
 *
 * @param {import('./shell.js').Context} context
 * @param {object} on
 * @param {() => void} on.close the person has closed it
 * @param {(media: Media) => void} on.remove
 */
export function mediaDrawer({ hub, merchants, may }, { close, remove }) {
  const drawer = detailDrawer({ onclose: close });
  const pill = statusPill('ready');
  const picture = h('media-picture', { onunreadable: () => followed?.touch() });
  const whole = h(
    'a',
    { class: 'media-whole', target: '_blank', rel: 'noopener', 'aria-label': 'Open the picture' },
    picture,
  );
  const facts = h('dl', { class: 'facts order-facts' });
  const places = h('ul', { class: 'media-places', role: 'list' });
  const nowhere = h('p', { class: 'muted', text: 'No product and no template shows it.' });
  const shownBy = h(
    'section',
    { class: 'drawer-section', 'aria-label': 'Shown by' },
    h('h3', { text: 'Shown by' }),
    places,
    nowhere,
  );
  const note = h('p', { class: 'muted', role: 'status' });
  /** @type {import('../state/followed.js').Followed<{ media: Media, places: Place[] }> | null} */
  let followed = null;
  let shown = '';
  const current = () => followed.store.value.value.media;
  const copyId = copy('Copy id', () => current().id);
  const copyAddress = copy('Copy address', () => new URL(current().url, location.href).href);
  const until = h('p', { class: 'muted media-until' });
  const copies = h('div', { class: 'media-copies' }, copyId, copyAddress, until);
  const download = h(
    'a',
    { class: 'button' },
    icon('download'),
    h('span', { text: 'Download' }),
  );
  drawer.beside.append(pill);
  drawer.body.append(note, whole, facts, copies, shownBy);
  drawer.foot.append(download);
  if (may('media.delete')) {
    drawer.foot.append(
      h(
        'button',
        { type: 'button', class: 'button', 'data-act': 'delete', onclick: () => remove(current()) },
        icon('trash'),
        h('span', { text: 'Delete' }),
      ),
    );
  }

  function stop() {
    followed?.stop();
    followed = null;
    shown = '';
  }

  function draw({ value, problem, gone }) {
    const there = value !== null && !gone;
    for (const part of [pill, whole, facts, copies, shownBy]) part.hidden = !there;
    drawer.foot.hidden = !there;
    note.hidden = there;
    note.textContent = gone ? 'This picture is not there any more.' : problem || 'Loading…';
    if (there) drawMedia(value);
  }

  function drawMedia({ media, places: list }) {
    drawer.title(media.original_name);
    pill.show(media.status);
    picture.show(media, { whole: true });
    const there = media.url !== null;
    download.hidden = copyAddress.hidden = until.hidden = !there;
    if (there) {
      whole.href = download.href = media.url;
      download.download = media.original_name;
      const end = endOf(media.url);
      const signed = Number.isFinite(end);
      until.hidden = !signed;
      if (signed) {
        const time = shortTime(new Date(end).toISOString());
        setText(until, `The address opens the picture without a key until ${time}.`);
      }
    }
    const why = media.status === 'failed' && media.metadata?.error;
    const rows = [
      ['Failed', why && h('dd', { text: why })],
      ['Type', h('dd', { text: typeName(media) })],
      ['Pixels', dimensions(media) && h('dd', { class: 'number', text: dimensions(media) })],
      [
        'Size',
        h('dd', {
          class: 'number',
          text: bytes(media.size),
          title: `${grouped(media.size)} bytes`,
        }),
      ],
      [
        'Uploaded',
        h('dd', { title: fullTime(media.created_at), text: shortTime(media.created_at) }),
      ],
      ['Merchant', h('dd', { text: merchants.name(media.merchant_id) })],
      ['SHA-256', h('dd', {}, h('code', { text: media.hash }))],
      ['Id', h('dd', {}, h('code', { text: media.id }))],
    ];
    facts.replaceChildren(
      ...rows
        .filter(([, value]) => value)
        .flatMap(([name, value]) => [h('dt', { text: name }), value]),
    );
    nowhere.hidden = list.length > 0;
    places.hidden = list.length === 0;
    places.replaceChildren(...list.map(placeRow));
    const rest = media.used_by - list.length;
    if (rest > 0) {
      places.append(h('li', { class: 'muted', text: `and ${counted(rest, 'other place')}` }));
    }
  }

  return {
    element: drawer.element,
    /** @param {string} id */
    show(id) {
      if (id === shown) return;
      stop();
      shown = id;
      drawer.open('Picture');
      followed = new Followed(hub, {
        read: () => hub.call('media.get', { id }),
        concerns: ({ subject }) => subject === `media/${id}` || PLACES.test(subject ?? ''),
      });
      followed.store.watch(draw);
    },
    hide() {
      stop();
      drawer.hide();
    },
    leave() {
      stop();
      drawer.leave();
    },
  };
}

function copy(label, text) {
  const button = h('copy-button', { label });
  button.text = text;
  return button;
}

/** @param {Place} place */
function placeRow({ type, id, name }) {
  const link = h('a', { href: formatHash(`/${type}s`, { [type]: id }), text: name });
  return h('li', {}, h('span', { class: 'muted', text: `${type} ` }), link);
}

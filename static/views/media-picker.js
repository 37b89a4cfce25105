/**
 * A dialog that chooses one picture or several from a merchant's media, and takes more of them.
 */
import '../elements/list-state.js';
import '../elements/media-picture.js';
import '../elements/upload-list.js';
import { formDialog } from '../elements/dialog.js';
import { h, oncePerFrame, setText } from '../elements/dom.js';
import { fileButton } from '../elements/file-drop.js';
import { Keyed } from '../elements/keyed.js';
import { factsOf } from '../elements/media-grid.js';
import { searchBox } from '../elements/toolbar.js';
import { HubError } from '../client/errors.js';
import { Collection } from '../state/collection.js';
import { mediaQuestion, renewAddresses, TYPES } from '../state/media.js';

const PAGE = 60;

/**
 * @typedef {import('../state/media.js').Media} Media
 *
 * @param {Pick<import('./shell.js').Context, 'hub' | 'uploads' | 'may' | 'session'>} context
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.submit what the button says
 * @param {boolean} [options.several] whether more than one may be chosen
 * @param {(chosen: Media[]) => Promise<void> | void} options.chosen in the order of their choosing;
 *   the dialog stays open where it throws a `HubError`
 */
export function mediaPicker(
  { hub, uploads, may, session },
  { title, submit, several = false, chosen },
) {
  const media = new Collection(hub, { plural: 'media', page: PAGE });
  /** What is marked, by id, in the order of its marking. @type {Map<string, Media>} */
  let marked = new Map();
  /** What is not offered. @type {Set<string>} */
  let known = new Set();
  let merchantId = null;
  let find = '';
  /** The uploads that were begun here. @type {Set<string>} */
  let begun = new Set();
  /** Those of them whose picture was marked. @type {Set<string>} */
  let taken = new Set();
  let end = () => {};
  const group = `picture-${Math.random().toString(36).slice(2)}`;
  const search = searchBox({
    label: 'Find pictures',
    placeholder: 'Part of a name',
    find(text) {
      find = text;
      ask();
    },
  });
  const upload = fileButton({
    label: 'Upload',
    accept: Object.keys(TYPES).join(','),
    take: (files) => {
      const whose = session.store.value.session.role === 'admin' ? merchantId : null;
      for (const { id } of uploads.add(files, whose)) begun.add(id);
      draw();
    },
  });
  const sent = h('upload-list');
  const grid = h('ul', { class: 'picture-choice', role: 'list', 'aria-label': 'Pictures' });
  const options = new Keyed(grid, () => pictureOption({ several, group, mark, stale }));
  const state = h('list-state');
  const more = h('button', {
    type: 'button',
    class: 'button small show-more',
    text: 'Show more',
    onclick: () => media.more('all'),
  });
  /** Empty until somebody looks: most screens with a picker are left without it. */
  const scroll = h('div', { class: 'picker-scroll' });
  const uploadable = may('media.upload');
  const dialog = formDialog({
    title,
    submit,
    icon: 'check',
    wide: true,
    body: [
      h('div', { class: 'picker-tools' }, search.element, uploadable && upload.button, upload.input),
      sent,
      scroll,
    ],
    async run() {
      if (marked.size === 0) throw new HubError('Choose a picture first.', { code: 'invalid_params' });
      await chosen([...marked.values()]);
    },
  });

  function ask() {
    const asked = mediaQuestion({ find, merchantId });
    media.ask(asked.parts, asked);
  }

  function mark(row, on) {
    if (!several) marked.clear();
    if (on) marked.set(row.id, row);
    else marked.delete(row.id);
    draw();
  }

  function stale() {
    media.reload();
  }

  /** What was uploaded here is what the person wants. */
  function take() {
    for (const { id, state: at, media: row } of uploads.store.value.list) {
      if (at !== 'done' || !row || !begun.has(id) || taken.has(id)) continue;
      taken.add(id);
      media.put(row);
      if (!known.has(row.id)) mark(row, true);
    }
  }

  const draw = oncePerFrame(() => {
    if (!dialog.element.open) return;
    take();
    const value = media.store.value;
    // While the sizes of a picture are made, it is shown as it was uploaded.
    const offered = value.rows.filter(({ id, status }) => !known.has(id) && status !== 'failed');
    sent.show(uploads.store.value.list.filter(({ id }) => begun.has(id)));
    options.show(offered.map((row) => [row.id, { row, marked: marked.has(row.id) }]));
    grid.hidden = offered.length === 0;
    more.hidden = !value.parts.all?.more;
    state.show(value, {
      shown: offered.length,
      what: 'pictures',
      empty: find
        ? { title: 'No picture matches' }
        : {
            title: known.size ? 'There are no other pictures' : 'There are no pictures yet',
            action: uploadable ? { label: 'Upload pictures', run: upload.open } : null,
          },
      retry: () => media.reload(),
    });
    dialog.label(several && marked.size ? `${submit} ${marked.size}` : submit);
  });

  dialog.element.addEventListener('close', () => {
    end();
    media.close();
  });
  sent.addEventListener('cancel', ({ detail }) => uploads.cancel(detail));
  sent.addEventListener('retry', ({ detail }) => uploads.retry(detail));
  sent.addEventListener('clear', () => uploads.clear(({ id }) => begun.has(id)));

  return {
    element: dialog.element,
    /**
     * @param {object} wanted
     * @param {string | null} [wanted.merchantId] whose pictures; null: of who is signed in
     * @param {string[]} [wanted.known] ids of those that are not offered
     */
    open({ merchantId: whose = null, known: own = [] } = {}) {
      marked = new Map();
      begun = new Set();
      taken = new Set();
      known = new Set(own);
      merchantId = whose;
      find = '';
      search.show('');
      ask();
      media.open();
      const ends = [media.store.watch(draw), uploads.store.watch(draw), renewAddresses(media)];
      end = () => ends.forEach((each) => each());
      scroll.replaceChildren(grid, state, more);
      dialog.open();
      search.element.querySelector('input').focus();
      draw();
    },
  };
}

function pictureOption({ several, group, mark, stale }) {
  let current;
  const control = h('input', {
    type: several ? 'checkbox' : 'radio',
    name: group,
    class: 'unseen',
    onchange: () => mark(current, control.checked),
  });
  const picture = h('media-picture', { onunreadable: stale });
  const name = h('span', { class: 'media-name' });
  const label = h('label', { class: 'picture-option' }, control, picture, name);
  return {
    element: h('li', {}, label),
    show({ row, marked }) {
      current = row;
      control.checked = marked;
      picture.show(row);
      setText(name, row.original_name);
      label.title = `${row.original_name}, ${factsOf(row)}`;
    },
  };
}

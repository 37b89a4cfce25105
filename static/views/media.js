/**
 * Media: the pictures of a merchant, one of them in a drawer, and more of them by dropping, choosing
 * or pasting files.
 */
import '../elements/list-state.js';
import '../elements/media-grid.js';
import '../elements/reading-status.js';
import '../elements/upload-list.js';
import { formDialog, questionDialog } from '../elements/dialog.js';
import { h, oncePerFrame, setText } from '../elements/dom.js';
import { counted } from '../elements/format.js';
import { fileButton, fileDrop } from '../elements/file-drop.js';
import { merchantField } from '../elements/merchant-field.js';
import { choice, searchBox, toolbar } from '../elements/toolbar.js';
import { Collection } from '../state/collection.js';
import { mediaQuestion, renewAddresses, TYPES } from '../state/media.js';
import { showReading } from './attention.js';
import { mediaDrawer } from './media-detail.js';

const TICK_MS = 1_000;
const PAGE = 60;

/**
 * @typedef {import('../state/media.js').Media} Media
 *
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function mediaView(context) {
  const { hub, commands, connection, merchants, session, stream, toasts, uploads } = context;
  const { adjust, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const uploadable = may('media.upload');
  const media = new Collection(hub, { plural: 'media', page: PAGE });
  let filter = { find: '', status: '', merchantId: null };
  let opened = '';
  /** What was there when the list was read first; what is not came since. @type {Set<string>} */
  let known = new Set();
  let before = '';
  /** Those of the uploads that are in the list already. @type {Set<string>} */
  const put = new Set();

  const search = searchBox({
    label: 'Find pictures',
    placeholder: 'Part of a name',
    find: (text) => adjust({ find: text || null }),
  });
  const status = choice({
    label: 'State',
    options: [
      ['', 'All states'],
      ['ready', 'Ready'],
      ['processing', 'Processing'],
      ['uploading', 'Uploading'],
      ['failed', 'Failed'],
    ],
    choose: (value) => adjust({ status: value || null }),
  });
  const grid = h('media-grid');
  const state = h('list-state');
  const sent = h('upload-list');
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    hidden: true,
    onclick: () => media.more('all'),
  });
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const whose = merchantDialog(context, (files, id) => uploads.add(files, id));
  const pick = fileButton({
    label: 'Upload',
    accept: Object.keys(TYPES).join(','),
    class: 'button primary',
    take,
  });
  const drop = fileDrop({
    text: 'Drop pictures to upload them',
    take,
    open: () => uploadable,
  });
  const question = questionDialog({ submit: 'Delete', run: remove });
  const drawer = mediaDrawer(context, {
    close: () => adjust({ media: null }),
    remove: (asked) =>
      question.open(
        asked,
        `Delete ${asked.original_name}?`,
        'Its file is removed. Messages that were sent with it keep what they have.',
      ),
  });
  const element = h(
    'div',
    { class: 'screen media' },
    toolbar(search.element, status.element),
    h('div', { class: 'screen-list' }, sent, grid, state, more),
    drawer.element,
    h('footer', { class: 'status' }, reading, count),
    drop.element,
    question.element,
    whose.element,
    pick.input,
  );

  /** @param {File[]} files */
  function take(files) {
    if (!admin) uploads.add(files, null);
    else if (stream.merchantId !== null) uploads.add(files, stream.merchantId);
    else whose.open(files);
  }

  async function remove({ id, original_name: name, version }) {
    await commands.run('media.delete', { id }, { ifMatch: version });
    media.drop(id);
    adjust({ media: null });
    toasts.say(`${name} was deleted`);
  }

  /** What was uploaded here is shown with its answer, not only when its event comes. */
  function putUploaded() {
    for (const { id, media: row } of uploads.store.value.list) {
      if (!row || put.has(id)) continue;
      put.add(id);
      const ours = !admin || filter.merchantId === null || row.merchant_id === filter.merchantId;
      if (ours) media.put(row);
    }
  }

  function freshOf(rows, phase, question) {
    const ids = rows.map(({ id }) => id);
    if (question !== before || phase !== 'ready') {
      known = new Set(phase === 'ready' ? ids : []);
      before = phase === 'ready' ? question : '';
    }
    // An older page is no news.
    const newest = [...known].sort().at(-1) ?? '';
    return new Set(ids.filter((id) => id > newest));
  }

  const draw = oncePerFrame(() => {
    putUploaded();
    const value = media.store.value;
    const { rows, phase } = value;
    const now = Date.now();
    element.classList.toggle('stale', showReading(reading, value, connection, now));
    const asked = filter.find !== '' || filter.status !== '';
    state.show(value, {
      shown: rows.length,
      what: 'pictures',
      empty: {
        title: asked ? 'No picture matches' : 'There are no pictures yet',
        text: asked
          ? 'Nothing fits all that is asked for.'
          : uploadable
            ? 'Drop JPEG, PNG or WebP files here, paste one, or choose them: 5\u00a0MB at most each.'
            : 'What is uploaded for products and templates stands here.',
        action: asked
          ? { label: 'Show all', run: () => adjust({ find: null, status: null }) }
          : uploadable
            ? { label: 'Choose files', run: pick.open }
            : null,
      },
      retry: () => media.reload(),
    });
    grid.hidden = rows.length === 0;
    const several = admin && filter.merchantId === null;
    const merchantName = (id) => (several ? merchants.name(id) : '');
    const fresh = freshOf(rows, phase, JSON.stringify(filter));
    grid.show(rows, { opened, fresh, merchantName });
    sent.show(uploads.store.value.list);
    const { more: older = false, loading = false } = value.parts.all ?? {};
    more.hidden = !older || phase !== 'ready';
    setText(more, loading ? 'Loading…' : 'Show more');
    const all = `${counted(rows.length, 'picture')}${older ? ', and more' : ''}`;
    setText(count, phase === 'ready' && rows.length ? all : '');
  });

  grid.addEventListener('open', ({ detail }) => adjust({ media: detail }));
  grid.addEventListener('unreadable', () => media.reload());
  sent.addEventListener('cancel', ({ detail }) => uploads.cancel(detail));
  sent.addEventListener('retry', ({ detail }) => uploads.retry(detail));
  sent.addEventListener('clear', () => uploads.clear());
  sent.addEventListener('show', ({ detail }) => {
    const upload = uploads.store.value.list.find(({ id }) => id === detail);
    if (upload?.media) adjust({ media: upload.media.id });
  });

  const timer = setInterval(draw, TICK_MS);
  media.open();
  const ends = [
    media.store.watch(draw),
    uploads.store.watch(draw),
    merchants.store.watch(draw),
    connection.watch(draw),
    renewAddresses(media),
    () => clearInterval(timer),
    () => media.close(),
    () => drawer.leave(),
    () => drop.leave(),
  ];

  return {
    element,
    actions: uploadable ? [pick.button] : [],
    update(query) {
      filter = {
        find: query.get('find') ?? '',
        status: query.get('status') ?? '',
        merchantId: admin ? stream.merchantId : null,
      };
      search.show(filter.find);
      status.show(filter.status);
      const asked = mediaQuestion(filter);
      media.ask(asked.parts, asked);
      const id = query.get('media') ?? '';
      if (id !== opened) {
        opened = id;
        if (id) drawer.show(id);
        else drawer.hide();
      }
      draw();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

/**
 * Asks an admin who has chosen no merchant whose the files will be.
 * @param {import('./shell.js').Context} context
 * @param {(files: File[], merchantId: string) => void} take
 */
function merchantDialog(context, take) {
  const merchant = merchantField(context);
  /** @type {File[]} */
  let held = [];
  const dialog = formDialog({
    title: 'Whose pictures are these?',
    submit: 'Upload',
    icon: 'upload',
    body: [merchant.element],
    run: () => take(held, merchant.params().merchant_id),
  });
  dialog.form.add(merchant.field);
  return {
    element: dialog.element,
    /** @param {File[]} files */
    open(files) {
      held = files;
      merchant.show();
      dialog.open();
      merchant.field.control.focus();
    },
  };
}

/**
 * Templates: a list by type and status with a search, and one template in an editor.
 */
import '../elements/list-state.js';
import '../elements/reading-status.js';
import '../elements/template-list.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted, grouped } from '../elements/format.js';
import { choice, searchBox, toolbar } from '../elements/toolbar.js';
import { Collection } from '../state/collection.js';
import { STATUSES, templateMatches, templateQuestion, TYPES } from '../state/templates.js';
import { showReading } from './attention.js';
import { formatHash, parseHash } from './router.js';
import { NEW, templateEditor } from './template-editor.js';

const TICK_MS = 1_000;
const PAGE = 200;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function templatesView(context) {
  const { hub, connection, merchants, session, stream, adjust, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const creatable = may('templates.create');
  const templates = new Collection(hub, { plural: 'templates', page: PAGE });
  let filter = { find: '', type: '', status: '', merchantId: null };
  let opened = '';

  const search = searchBox({
    label: 'Find templates',
    placeholder: 'Part of a name',
    find: (text) => adjust({ find: text || null }),
  });
  const type = choice({
    label: 'Type',
    options: [['', 'All types'], ...TYPES],
    choose: (value) => adjust({ type: value || null }),
  });
  const status = choice({
    label: 'Status',
    options: [['', 'All states'], ...STATUSES],
    choose: (value) => adjust({ status: value || null }),
  });
  const list = h('template-list');
  const state = h('list-state');
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    hidden: true,
    onclick: () => templates.more('all'),
  });
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const editor = templateEditor(context, {
    written: (template) => templates.put(template),
    renamed(id) {
      opened = id;
      adjust({ template: id });
    },
    removed(id) {
      templates.drop(id);
      adjust({ template: null });
    },
    back: () => href(null),
  });
  const tools = toolbar(search.element, type.element, status.element);
  const listing = h('div', { class: 'screen-list' }, list, state, more);
  const element = h(
    'div',
    { class: 'screen templates' },
    tools,
    listing,
    editor.element,
    h('footer', { class: 'status' }, reading, count),
  );
  const create = h(
    'button',
    {
      type: 'button',
      class: 'button primary',
      'aria-label': 'New template',
      onclick: begin,
    },
    icon('plus'),
    h('span', { class: 'action-label', text: 'New template' }),
  );

  /** A new one by a way back: the browser's own button leads to the list. */
  function begin() {
    location.hash = href(NEW);
  }

  function href(template) {
    const { path, query } = parseHash(location.hash);
    return formatHash(path, { ...Object.fromEntries(query), template });
  }

  /** @param {string | null} merchantId @returns {boolean} whether what is open is not of them */
  function foreign(merchantId) {
    return Boolean(merchantId && editor.merchantId && merchantId !== editor.merchantId);
  }

  const draw = oncePerFrame(() => {
    const value = templates.store.value;
    const now = Date.now();
    const stale = showReading(reading, value, connection, now);
    // What a person writes is of now, connected or not.
    element.classList.toggle('stale', stale && !opened);
    const { find } = filter;
    const shown = value.rows.filter((template) => !find || templateMatches(template, find));
    shown.sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
    const asked = Boolean(find || filter.type || filter.status);
    state.show(value, {
      shown: shown.length,
      what: 'templates',
      empty: {
        title: asked ? 'No template matches' : 'There are no templates yet',
        text: asked
          ? 'Nothing fits all that is asked for.'
          : 'What bots send again and again stands here, with room for what differs each time.',
        action: asked
          ? { label: 'Show all', run: () => adjust({ find: null, type: null, status: null }) }
          : creatable
            ? { label: 'New template', run: begin }
            : null,
      },
      retry: () => templates.reload(),
    });
    list.hidden = shown.length === 0;
    const several = admin && filter.merchantId === null;
    const merchantName = (id) => (several ? merchants.name(id) : '');
    list.show(shown, { href, merchantName, now });
    const { more: older = false, loading = false } = value.parts.all ?? {};
    more.hidden = !older || value.phase !== 'ready';
    setText(more, loading ? 'Loading…' : 'Show more');
    const all = `${counted(value.rows.length, 'template')}${older ? ', and more' : ''}`;
    const some = shown.length < value.rows.length ? `${grouped(shown.length)} of ` : '';
    setText(count, value.phase === 'ready' && value.rows.length ? some + all : '');
  });

  const timer = setInterval(draw, TICK_MS);
  templates.open();
  const ends = [
    templates.store.watch(draw),
    merchants.store.watch(draw),
    connection.watch(draw),
    () => clearInterval(timer),
    () => templates.close(),
    () => editor.leave(),
  ];

  return {
    element,
    actions: creatable ? [create] : [],
    holds(path, query) {
      const same = path === '/templates' && (query.get('template') ?? '') === opened;
      return editor.dirty() && (!same || foreign(query.get('merchant')));
    },
    ask: (go) => editor.ask(go),
    update(query) {
      filter = {
        find: query.get('find') ?? '',
        type: query.get('type') ?? '',
        status: query.get('status') ?? '',
        merchantId: admin ? stream.merchantId : null,
      };
      search.show(filter.find);
      type.show(filter.type);
      status.show(filter.status);
      const asked = templateQuestion(filter);
      templates.ask(asked.parts, asked);
      const before = opened;
      if (foreign(filter.merchantId)) {
        // What is open belongs to another merchant than the one that is chosen.
        editor.open('');
        opened = '';
        adjust({ template: null });
        return;
      }
      opened = query.get('template') ?? '';
      editor.open(opened);
      tools.hidden = listing.hidden = opened !== '';
      create.hidden = opened === NEW;
      draw();
      if (before && !opened) list.focusOn(before);
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

/**
 * Products: a list with a search, one product in a drawer, and the ways to change them.
 */
import '../elements/list-state.js';
import '../elements/product-list.js';
import '../elements/reading-status.js';
import { sentenceOf } from '../client/errors.js';
import { questionDialog } from '../elements/dialog.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted, grouped } from '../elements/format.js';
import { sentence } from '../elements/fields.js';
import { choice, searchBox, toolbar } from '../elements/toolbar.js';
import { Collection } from '../state/collection.js';
import { productMatches, productQuestion } from '../state/products.js';
import { showReading } from './attention.js';
import { productDrawer } from './product-detail.js';
import { productDialog } from './product-form.js';

const TICK_MS = 1_000;
/** Shops rarely sell more: what is shown is sorted by name, and stands still as more is read. */
const PAGE = 600;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function productsView(context) {
  const { hub, commands, connection, merchants, session, stream, toasts, adjust, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const creatable = may('products.create');
  const products = new Collection(hub, { plural: 'products', page: PAGE });
  let filter = { find: '', active: '', merchantId: null };
  let opened = '';

  const search = searchBox({
    label: 'Find products',
    placeholder: 'Part of a name',
    find: (text) => adjust({ find: text || null }),
  });
  const active = choice({
    label: 'State',
    options: [
      ['', 'Active and inactive'],
      ['true', 'Active'],
      ['false', 'Inactive'],
    ],
    choose: (value) => adjust({ active: value || null }),
  });
  const list = h('product-list');
  const state = h('list-state');
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    hidden: true,
    onclick: () => products.more('all'),
  });
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const form = productDialog(context, written);
  const question = questionDialog({ submit: 'Delete', run: remove });
  const drawer = productDrawer(context, {
    close: () => adjust({ product: null }),
    edit: form.open,
    activate,
    remove: (product) =>
      question.open(
        product,
        `Delete ${product.name}?`,
        'Orders keep its name and its price. Its pictures stay among the media.',
        'To take it off sale for a while, deactivate it instead.',
      ),
    changed: written,
  });
  const element = h(
    'div',
    { class: 'screen products' },
    toolbar(search.element, active.element),
    h('div', { class: 'screen-list' }, list, state, more),
    drawer.element,
    h('footer', { class: 'status' }, reading, count),
    form.element,
    question.element,
    drawer.dialog,
  );
  const create = h(
    'button',
    {
      type: 'button',
      class: 'button primary',
      'aria-label': 'New product',
      onclick: () => form.open(null),
    },
    icon('plus'),
    h('span', { class: 'action-label', text: 'New product' }),
  );

  /** @param {import('../state/products.js').Product} product as a command has answered it */
  function written(product) {
    form.usual(product.currency);
    products.put(product);
    drawer.refresh();
  }

  async function activate({ id, name, version, is_active: before }) {
    try {
      const params = { id, is_active: !before };
      const result = await commands.run('products.update', params, { ifMatch: version });
      written(result.product);
      toasts.say(`${name} is ${before ? 'inactive' : 'active'}`);
    } catch (error) {
      drawer.refresh();
      toasts.say(`${name} is as it was`, { kind: 'problem', detail: sentence(sentenceOf(error)) });
    }
  }

  async function remove({ id, name, version }) {
    await commands.run('products.delete', { id }, { ifMatch: version });
    products.drop(id);
    adjust({ product: null });
    toasts.say(`${name} was deleted`);
  }

  const draw = oncePerFrame(() => {
    const value = products.store.value;
    const now = Date.now();
    element.classList.toggle('stale', showReading(reading, value, connection, now));
    const shown = value.rows.filter((product) => fits(product, filter));
    shown.sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
    const asked = filter.find !== '' || filter.active !== '';
    state.show(value, {
      shown: shown.length,
      what: 'products',
      empty: {
        title: asked ? 'No product matches' : 'There are no products yet',
        text: asked
          ? 'Nothing fits all that is asked for.'
          : 'What is sold stands here, with its price and what of it is left.',
        action: asked
          ? { label: 'Show all', run: () => adjust({ find: null, active: null }) }
          : creatable
            ? { label: 'New product', run: () => form.open(null) }
            : null,
      },
      retry: () => products.reload(),
    });
    list.hidden = shown.length === 0;
    const several = admin && filter.merchantId === null;
    const merchantName = (id) => (several ? merchants.name(id) : '');
    list.show(shown, { opened, merchantName, now });
    const { more: older = false, loading = false } = value.parts.all ?? {};
    more.hidden = !older || value.phase !== 'ready';
    setText(more, loading ? 'Loading…' : 'Show more');
    const all = `${counted(value.rows.length, 'product')}${older ? ', and more' : ''}`;
    const some = shown.length < value.rows.length ? `${grouped(shown.length)} of ` : '';
    setText(count, value.phase === 'ready' && value.rows.length ? some + all : '');
  });

  list.addEventListener('open', ({ detail }) => adjust({ product: detail }));

  const timer = setInterval(draw, TICK_MS);
  products.open();
  const ends = [
    products.store.watch(draw),
    merchants.store.watch(draw),
    connection.watch(draw),
    () => clearInterval(timer),
    () => products.close(),
    () => drawer.leave(),
  ];

  return {
    element,
    actions: creatable ? [create] : [],
    update(query) {
      filter = {
        find: query.get('find') ?? '',
        active: query.get('active') ?? '',
        merchantId: admin ? stream.merchantId : null,
      };
      search.show(filter.find);
      active.show(filter.active);
      const asked = productQuestion({ ...filter, own: !admin });
      products.ask(asked.parts, asked);
      const id = query.get('product') ?? '';
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

function fits(product, { find, active }) {
  return productMatches(product, find) && (!active || String(product.is_active) === active);
}

/**
 * Everything about one product, in a drawer, and what may be done about it.
 */
import { detailDrawer } from '../elements/detail-drawer.js';
import { h, icon } from '../elements/dom.js';
import { fullTime, grouped, shortTime } from '../elements/format.js';
import { money } from '../elements/money.js';
import { statusPill } from '../elements/status-pill.js';
import { Followed } from '../state/followed.js';
import { stockState } from '../state/products.js';
import { productPictures } from './product-pictures.js';

/**
 * @typedef {import('../state/products.js').Product} Product
 *
 * @param {import('./shell.js').Context} context
 * @param {object} on
 * @param {() => void} on.close the person has closed it
 * @param {(product: Product) => void} on.edit
 * @param {(product: Product) => void} on.activate it, or the opposite
 * @param {(product: Product) => void} on.remove
 * @param {(product: Product) => void} on.changed
 */
export function productDrawer(context, { close, edit, activate, remove, changed }) {
  const { hub, merchants, may } = context;
  const drawer = detailDrawer({ onclose: close });
  const pill = statusPill('active');
  const pictures = productPictures(context, changed);
  const facts = h('dl', { class: 'facts order-facts' });
  const text = h('p', { class: 'product-text' });
  const note = h('p', { class: 'muted', role: 'status' });
  /** @type {import('../state/followed.js').Followed<any> | null} */
  let followed = null;
  let shown = '';
  drawer.beside.append(pill);
  drawer.body.append(note, facts, text, pictures.element);
  // An address opens a picture for a while only; the next reading has another.
  pictures.element.addEventListener('unreadable', () => followed?.touch());

  /** The product as it was read last. */
  const current = () => followed.store.value.value.product;
  const act = (name, label, sign, run) =>
    h(
      'button',
      { type: 'button', class: 'button', 'data-act': name, onclick: () => run(current()) },
      icon(sign),
      h('span', { text: label }),
    );
  const onoff = h('button', {
    type: 'button',
    class: 'button',
    onclick: () => activate(current()),
  });
  if (may('products.update')) drawer.foot.append(act('edit', 'Edit', 'edit', edit), onoff);
  if (may('products.delete')) drawer.foot.append(act('delete', 'Delete', 'trash', remove));

  function stop() {
    followed?.stop();
    followed = null;
    shown = '';
  }

  function draw({ value, problem, gone }) {
    const there = value !== null && !gone;
    pill.hidden = facts.hidden = text.hidden = pictures.element.hidden = !there;
    drawer.foot.hidden = !there || drawer.foot.childElementCount === 0;
    note.hidden = there;
    note.textContent = gone ? 'This product is not there any more.' : problem || 'Loading…';
    if (there) drawProduct(value);
  }

  function drawProduct({ product, media }) {
    const stock = stockState(product);
    pill.show(product.is_active ? 'active' : 'inactive');
    drawer.title(product.name);
    onoff.textContent = product.is_active ? 'Deactivate' : 'Activate';
    text.textContent = product.description;
    text.hidden = product.description === '';
    const rows = [
      ['Price', h('dd', { class: 'number', text: money(product.price, product.currency) })],
      [
        'Stock',
        h(
          'dd',
          { class: 'number' },
          `${grouped(product.stock)} `,
          stock !== 'in stock' && statusPill(stock),
        ),
      ],
      ['Category', product.category && h('dd', { text: product.category })],
      ['Merchant', h('dd', { text: merchants.name(product.merchant_id) })],
      [
        'Changed',
        h('dd', {
          title: fullTime(product.updated_at),
          text: `${shortTime(product.updated_at)} · version ${grouped(product.version)}`,
        }),
      ],
      ['Id', h('dd', {}, h('code', { text: product.id }))],
    ];
    facts.replaceChildren(
      ...rows
        .filter(([, value]) => value)
        .flatMap(([name, value]) => [h('dt', { text: name }), value]),
    );
    pictures.show(product, media);
  }

  return {
    element: drawer.element,
    dialog: pictures.dialog,
    /** @param {string} id */
    show(id) {
      if (id === shown) return;
      stop();
      shown = id;
      drawer.open('Product');
      followed = new Followed(hub, {
        read: () => readProduct(hub, id),
        concerns: ({ subject }) => subject === `product/${id}`,
      });
      followed.store.watch(draw);
    },
    /** What was written is to be seen. */
    refresh: () => followed?.touch(),
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

async function readProduct(hub, id) {
  // One after the other: the pictures are of that version at least.
  const { product } = await hub.call('products.get', { id });
  const { media } = await hub.call('products.media', { id });
  return { product, media };
}

/**
 * The pictures of a product: shown in their order, one of them first where there is room for one,
 * and chosen from the merchant's media.
 */
import { sentenceOf } from '../client/errors.js';
import { formDialog } from '../elements/dialog.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { Collection, faceOf } from '../state/collection.js';
import { moved } from '../state/products.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {(product: import('../state/products.js').Product) => void} changed
 */
export function productPictures({ hub, commands, toasts, may }, changed) {
  const editable = may('products.set_media');
  /** @type {import('../state/products.js').Product | null} */
  let product = null;
  /** @type {import('../state/products.js').Picture[]} */
  let pictures = [];
  let busy = false;
  const list = h('ul', { class: 'pictures', role: 'list', 'aria-label': 'Pictures' });
  const none = h('p', { class: 'muted', text: 'No pictures yet' });
  const picker = pictureDialog(hub, (ids) => {
    const own = pictures.map(({ media_id }) => media_id);
    return set([...own, ...ids.filter((id) => !own.includes(id))], primaryOf(pictures));
  });
  const add = h(
    'button',
    {
      type: 'button',
      class: 'button small',
      hidden: !editable,
      onclick: () => picker.open(product, pictures.map(({ media_id }) => media_id)),
    },
    icon('plus'),
    h('span', { text: 'Add pictures' }),
  );
  const element = h(
    'section',
    { class: 'drawer-section', 'aria-label': 'Pictures' },
    h('h3', {}, 'Pictures', add),
    list,
    none,
  );

  /** The whole list in its order, under the version that was seen. */
  async function set(ids, primary) {
    const { id, version } = product;
    const first = ids.includes(primary) ? { primary } : {};
    const params = { id, media_ids: ids, ...first };
    const result = await commands.run('products.set_media', params, { ifMatch: version });
    pictures = result.media;
    product = result.product;
    changed(product);
    draw();
  }

  async function arrange(ids, primary, focus) {
    if (busy) return;
    busy = true;
    try {
      await set(ids, primary);
      const item = [...list.children].find(({ dataset }) => dataset.media === focus.id);
      const at = item?.querySelector(`[data-act="${focus.act}"]`);
      (at && !at.disabled ? at : list.querySelector('button:enabled') ?? add).focus();
    } catch (error) {
      const detail = sentence(sentenceOf(error));
      toasts.say('The pictures are as they were', { kind: 'problem', detail });
    } finally {
      busy = false;
    }
  }

  function draw() {
    none.hidden = pictures.length > 0;
    const ids = pictures.map(({ media_id: id }) => id);
    list.replaceChildren(...pictures.map((picture, index) => shown(picture, index, ids)));
  }

  function shown({ media_id: id, url, is_primary: primary }, index, ids) {
    const first = primaryOf(pictures);
    const name = `picture ${index + 1} of ${ids.length}`;
    const button = (act, sign, label, disabled, ...wanted) => {
      const how = { type: 'button', class: 'icon-button', 'aria-label': `${label}: ${name}` };
      const onclick = () => arrange(wanted[0], wanted[1], { id, act });
      return h('button', { ...how, title: label, disabled, onclick, 'data-act': act }, icon(sign));
    };
    const rest = ids.filter((each) => each !== id);
    const item = h(
      'li',
      { class: primary ? 'picture primary' : 'picture', 'data-media': id },
      h('img', { src: url, alt: `${product.name}, ${name}`, loading: 'lazy' }),
      primary && h('span', { class: 'picture-mark', text: 'Main' }),
      editable &&
        h(
          'div',
          { class: 'picture-tools' },
          button('left', 'left', 'Earlier', index === 0, moved(ids, id, -1), first),
          button('right', 'right', 'Later', index === ids.length - 1, moved(ids, id, 1), first),
          button('star', 'star', 'Make it the main one', primary, ids, id),
          button('remove', 'close', 'Take away', false, rest, first),
        ),
    );
    return item;
  }

  return {
    element,
    dialog: picker.element,
    /**
     * @param {import('../state/products.js').Product} now
     * @param {import('../state/products.js').Picture[]} all
     */
    show(now, all) {
      const same = JSON.stringify(all) === JSON.stringify(pictures) && product?.id === now.id;
      product = now;
      pictures = all;
      if (!same) draw();
      none.hidden = all.length > 0;
    },
  };
}

function primaryOf(pictures) {
  return pictures.find(({ is_primary }) => is_primary)?.media_id ?? null;
}

/**
 * Chooses from the merchant's media.
 * @param {import('../client/hub.js').Hub} hub
 * @param {(ids: string[]) => Promise<void>} chosen
 */
function pictureDialog(hub, chosen) {
  const media = new Collection(hub, { plural: 'media', page: 60 });
  /** @type {Set<string>} */
  let marked = new Set();
  let known = [];
  const grid = h('ul', { class: 'picture-choice', role: 'list', 'aria-label': 'Media' });
  const text = h('p', { class: 'muted', role: 'status' });
  const more = h('button', {
    type: 'button',
    class: 'button small',
    text: 'Show more',
    onclick: () => media.more('all'),
  });
  const dialog = formDialog({
    title: 'Add pictures',
    submit: 'Add',
    icon: 'plus',
    wide: true,
    body: [text, grid, more],
    run: () => chosen([...marked]),
  });
  const draw = oncePerFrame(() => {
    const state = media.store.value;
    const offered = state.rows.filter(({ id }) => !known.includes(id));
    const says = {
      loading: 'Loading the media…',
      offline: 'Not connected.',
      failed: state.problem,
      empty: 'There is no other picture. Upload some on the Media screen.',
    };
    setText(text, says[faceOf(state, offered.length)] ?? 'Choose one or several.');
    more.hidden = !state.parts.all?.more;
    grid.replaceChildren(...offered.map((each) => option(each)));
  });
  media.store.watch(draw);

  function option({ id, url, thumbnail_url: thumbnail, original_name: name }) {
    const control = h('input', { type: 'checkbox', class: 'unseen', 'aria-label': name });
    control.checked = marked.has(id);
    control.addEventListener('change', () => {
      if (control.checked) marked.add(id);
      else marked.delete(id);
      dialog.label(marked.size ? `Add ${marked.size}` : 'Add');
    });
    const picture = h('img', { src: thumbnail ?? url, alt: '', loading: 'lazy' });
    return h('li', {}, h('label', { class: 'picture-option', title: name }, control, picture));
  }

  dialog.element.addEventListener('close', () => media.close());
  return {
    element: dialog.element,
    /**
     * @param {import('../state/products.js').Product} product whose merchant's media are offered
     * @param {string[]} own what it shows already
     */
    open(product, own) {
      marked = new Set();
      known = own;
      const wanted = { merchant_id: product.merchant_id, status: 'ready' };
      media.ask({ all: wanted }, { accepts: ({ status }) => status === 'ready' });
      media.open();
      dialog.label('Add');
      dialog.open();
      draw();
    },
  };
}

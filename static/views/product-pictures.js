/**
 * The pictures of a product: shown in their order, one of them first where there is room for one,
 * and chosen from the merchant's media.
 */
import '../elements/media-picture.js';
import { sentenceOf } from '../client/errors.js';
import { h, icon } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { moved } from '../state/products.js';
import { mediaPicker } from './media-picker.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {(product: import('../state/products.js').Product) => void} changed
 */
export function productPictures(context, changed) {
  const { commands, toasts, may } = context;
  const editable = may('products.set_media');
  /** @type {import('../state/products.js').Product | null} */
  let product = null;
  /** @type {import('../state/products.js').Picture[]} */
  let pictures = [];
  let busy = false;
  const list = h('ul', { class: 'pictures', role: 'list', 'aria-label': 'Pictures' });
  const none = h('p', { class: 'muted', text: 'No pictures yet' });
  const picker = mediaPicker(context, {
    title: 'Add pictures',
    submit: 'Add',
    several: true,
    chosen(media) {
      const own = pictures.map(({ media_id }) => media_id);
      const ids = media.map(({ id }) => id).filter((id) => !own.includes(id));
      return set([...own, ...ids], primaryOf(pictures));
    },
  });
  const add = h(
    'button',
    {
      type: 'button',
      class: 'button small',
      hidden: !editable,
      onclick: () => {
        const known = pictures.map(({ media_id }) => media_id);
        picker.open({ merchantId: product.merchant_id, known });
      },
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

  function shown(picture, index, ids) {
    const { media_id: id, url, thumbnail_url, width, height, is_primary: primary } = picture;
    const first = primaryOf(pictures);
    const name = `picture ${index + 1} of ${ids.length}`;
    const button = (act, sign, label, disabled, ...wanted) => {
      const how = { type: 'button', class: 'icon-button', 'aria-label': `${label}: ${name}` };
      const onclick = () => arrange(wanted[0], wanted[1], { id, act });
      return h('button', { ...how, title: label, disabled, onclick, 'data-act': act }, icon(sign));
    };
    const rest = ids.filter((each) => each !== id);
    const image = h('media-picture');
    image.show({ url, thumbnail_url, width, height }, { alt: `${product.name}, ${name}` });
    const item = h(
      'li',
      { class: primary ? 'picture primary' : 'picture', 'data-media': id },
      image,
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
      // What was read before a command was answered is older than its answer.
      if (product?.id === now.id && product.version > now.version) return;
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

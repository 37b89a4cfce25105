/**
 * `<media-grid>`: pictures side by side, each a button that opens one. The keyboard comes in once,
 * and goes on by the arrows.
 *
 * Fires `open` (detail: the picture's id).
 */
import './media-picture.js';
import './status-pill.js';
import { dimensions } from '../state/media.js';
import { h, setText } from './dom.js';
import { bytes } from './format.js';
import { Keyed } from './keyed.js';

export class MediaGrid extends HTMLElement {
  #tiles = h('ul', { class: 'media-tiles', role: 'list', 'aria-label': 'Pictures' });
  #list = new Keyed(this.#tiles, (id) => mediaTile(() => this.#open(id)));
  /** The one that Tab leads to. */
  #at = '';
  /** @type {string[]} */
  #ids = [];

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#tiles);
    this.#tiles.addEventListener('keydown', (event) => this.#key(event));
    this.#tiles.addEventListener('focusin', ({ target }) => {
      this.#at = target.closest('.media-tile')?.dataset.id ?? this.#at;
      this.#rove();
    });
  }

  /**
   * @param {import('../state/media.js').Media[]} list
   * @param {object} how
   * @param {string} how.opened the id of the one whose details are shown
   * @param {Set<string>} how.fresh ids of those that came just now
   * @param {(id: string) => string} how.merchantName empty where only one is shown
   */
  show(list, { opened, fresh, merchantName }) {
    const had = this.#tiles.contains(document.activeElement);
    const before = this.#ids.indexOf(this.#at);
    this.#ids = list.map(({ id }) => id);
    this.#list.show(
      list.map((media) => [
        media.id,
        {
          media,
          opened: media.id === opened,
          fresh: fresh.has(media.id),
          merchant: merchantName(media.merchant_id),
        },
      ]),
    );
    if (!this.#ids.includes(this.#at)) {
      this.#at = this.#ids[Math.max(0, Math.min(before, this.#ids.length - 1))] ?? '';
      // It was removed under the keyboard, which goes to its neighbour.
      if (had) this.focusOn(this.#at);
    }
    this.#rove();
  }

  /** Puts the keyboard on a picture. @param {string} id */
  focusOn(id) {
    this.#button(id)?.focus();
  }

  /** @returns {HTMLButtonElement | undefined} */
  #button(id) {
    return this.#list.element(id)?.querySelector('button');
  }

  #rove() {
    for (const id of this.#ids) this.#button(id).tabIndex = id === this.#at ? 0 : -1;
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const tracks = getComputedStyle(this.#tiles).gridTemplateColumns.split(' ').length;
    const last = this.#ids.length - 1;
    const at = this.#ids.indexOf(this.#at);
    const to = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - tracks,
      ArrowDown: Math.floor(at / tracks) < Math.floor(last / tracks) ? at + tracks : at,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0) this.focusOn(this.#ids[Math.min(to, last)]);
  }

  #open(id) {
    this.dispatchEvent(new CustomEvent('open', { detail: id }));
  }
}

/** A picture with its name below. @param {() => void} onclick */
function mediaTile(onclick) {
  const picture = h('media-picture');
  const name = h('span', { class: 'media-name' });
  const facts = h('span', { class: 'media-facts number' });
  const whose = h('span', { class: 'second' });
  const state = h('status-pill');
  const button = h(
    'button',
    { type: 'button', class: 'media-open', onclick },
    picture,
    h('span', { class: 'media-text' }, name, facts, whose),
    state,
  );
  const element = h('li', { class: 'media-tile' }, button);
  return {
    element,
    show({ media, opened, fresh, merchant }) {
      element.dataset.id = media.id;
      element.classList.toggle('opened', opened);
      element.classList.toggle('fresh', fresh);
      if (opened) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      picture.show(media);
      setText(name, media.original_name);
      button.title = media.original_name;
      setText(facts, factsOf(media));
      setText(whose, merchant);
      state.show(media.status);
      state.hidden = media.status === 'ready';
    },
  };
}

/** @param {import('../state/media.js').Media} media @returns {string} `30 × 20 · 1.2 kB` */
export function factsOf(media) {
  return [dimensions(media), bytes(media.size)].filter(Boolean).join(' · ');
}

customElements.define('media-grid', MediaGrid);

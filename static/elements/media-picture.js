/**
 * `<media-picture>`: a picture as it is, whole, on a ground that shows where it is transparent.
 * Loaded when it comes near to the window.
 *
 * Fires `unreadable` where its address does not open it.
 */
import { addressFor } from '../state/media.js';
import { h, icon } from './dom.js';

export class MediaPicture extends HTMLElement {
  #image = h('img', { alt: '', loading: 'lazy', decoding: 'async', draggable: 'false' });
  #instead = h('span', { class: 'picture-instead' }, icon('media'));
  #address = '';
  /** The address that did not open it. */
  #failed = '';

  constructor() {
    super();
    this.#image.addEventListener('load', () => this.#become('shown'));
    this.#image.addEventListener('error', () => {
      this.#failed = this.#address;
      this.#become('failed');
      this.dispatchEvent(new CustomEvent('unreadable', { bubbles: true }));
    });
  }

  connectedCallback() {
    if (!this.firstChild) this.append(this.#image, this.#instead);
  }

  /**
   * @param {Pick<import('../state/media.js').Media, 'url' | 'thumbnail_url' | 'width' | 'height'>}
   *   media
   * @param {object} [how]
   * @param {boolean} [how.whole] as it was uploaded; else a small one, where there is one
   * @param {string} [how.alt] empty where its name stands beside it
   */
  show(media, { whole = false, alt = '' } = {}) {
    const read = (!whole && media.thumbnail_url) || media.url;
    this.#image.alt = alt;
    const { width, height } = media;
    if (width && height) {
      this.#image.width = width;
      this.#image.height = height;
    }
    const same = this.#failed === this.#address ? '' : this.#address;
    const address = addressFor(same, read, Date.now());
    if (!address) this.#become('none');
    if (address === this.#address || (address && address === this.#failed)) return;
    this.#address = address;
    if (!address) return this.#image.removeAttribute('src');
    this.#become('loading');
    this.#image.src = address;
  }

  #become(state) {
    this.dataset.state = state;
    this.#image.hidden = state === 'failed' || state === 'none';
    this.#instead.hidden = !this.#image.hidden;
  }
}

customElements.define('media-picture', MediaPicture);

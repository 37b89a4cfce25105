/**
 * `<rate-line>`: events per second over the last minute, as bars.
 */
import { perSecond } from './format.js';
import { h, setText } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 28;
/** A quiet stream is drawn low: one event must not look like a storm. */
const MIN_SCALE = 5;

export class RateLine extends HTMLElement {
  #value = h('span', { class: 'rate-value number' });
  #path = document.createElementNS(SVG, 'path');

  connectedCallback() {
    if (this.firstChild) return;
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 120 ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(this.#path);
    this.append(
      h('p', { class: 'rate-text' }, h('span', { text: 'Events / s' }), this.#value),
      svg,
    );
  }

  /** @param {import('../state/rate.js').Rate} rate */
  show(rate) {
    setText(this.#value, perSecond(rate.perSecond));
    const seconds = rate.seconds.slice(0, -1);
    const scale = Math.max(MIN_SCALE, ...seconds);
    const bars = seconds.map((count, index) => {
      const height = count === 0 ? 1 : Math.max(2, (count / scale) * HEIGHT);
      return `M${(index * 120) / seconds.length} ${HEIGHT}v${-height}h1.4v${height}z`;
    });
    this.#path.setAttribute('d', bars.join(''));
  }
}

customElements.define('rate-line', RateLine);

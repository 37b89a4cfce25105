/** The name, with its mark. */
import { h } from '../elements/dom.js';

const SVG = 'http://www.w3.org/2000/svg';

/** @returns {HTMLElement} */
export function brand() {
  return h('span', { class: 'brand' }, mark(), h('span', { text: 'Smart Bot Hub' }));
}

/** Drawn here, not fetched: the sign-in view may be shown while the hub is away. */
function mark() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'brand-mark');
  svg.setAttribute('viewBox', '0 0 32 32');
  svg.setAttribute('aria-hidden', 'true');
  const ground = document.createElementNS(SVG, 'rect');
  for (const [name, value] of Object.entries({ width: 32, height: 32, rx: 8 })) {
    ground.setAttribute(name, String(value));
  }
  const line = document.createElementNS(SVG, 'path');
  line.setAttribute('d', 'M5 16h5l4-8 5 16 3.5-8H27');
  svg.append(ground, line);
  return svg;
}

/**
 * `<spark-line>`: how a value went in the last two minutes; the newest stands at the right edge.
 */
const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 40;
const SPAN_MS = 120_000;

export class SparkLine extends HTMLElement {
  #area = shape('spark-area');
  #line = shape('spark-stroke');

  connectedCallback() {
    if (this.firstChild) return;
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(this.#area, this.#line);
    this.append(svg);
  }

  /**
   * @param {{ at: number, value: number }[]} points oldest first, `at` in ms
   * @param {number} floor what the scale reaches at least: a small value must not look like a storm
   */
  show(points, floor) {
    const path = sparkPath(points, floor);
    this.#line.setAttribute('d', path.line);
    this.#area.setAttribute('d', path.area);
  }
}

function shape(name) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', name);
  // The picture is stretched to its box, its line is not.
  path.setAttribute('vector-effect', 'non-scaling-stroke');
  return path;
}

/**
 * @param {{ at: number, value: number }[]} points
 * @param {number} floor
 * @returns {{ line: string, area: string }} SVG path data
 */
export function sparkPath(points, floor) {
  if (points.length === 0) return { line: '', area: '' };
  const end = points.at(-1).at;
  const scale = Math.max(floor, ...points.map(({ value }) => value));
  const places = points.map(({ at, value }) => {
    const x = WIDTH * (1 - (end - at) / SPAN_MS);
    const y = HEIGHT - 1 - (value / scale) * (HEIGHT - 3);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const line = `M${places.join('L')}`;
  const first = places[0].split(' ')[0];
  return { line, area: `${line}V${HEIGHT}H${first}Z` };
}

customElements.define('spark-line', SparkLine);

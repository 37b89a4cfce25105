/**
 * Making elements. Text only ever becomes text: nothing here parses HTML.
 */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `class`, `text`, `on…` listeners, else attributes;
 *   false, null and undefined leave an attribute out, true sets it empty
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'text') element.textContent = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Outlines on a 16 × 16 grid, drawn with the colour of the text around them. */
const ICONS = {
  stream: 'M1.5 8h3l2-5 3 10 2-5h3',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M5 3l7.5 5L5 13z',
  plus: 'M8 3v10M3 8h10',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  check: 'M3 8.5l3.5 3.5L13 4.5',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  up: 'M8 13V3.5M4 7l4-4 4 4',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1z',
  system: 'M2 3h12v8H2zM5.5 14h5M8 11v3',
  send: 'M2 8l12-5.5L10.5 14 8 9z',
  previous: 'M4 10l4-4 4 4',
  next: 'M4 6l4 4 4-4',
  sessions:
    'M6 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 6 8zM1 13.5c.5-2.2 2.4-3.5 5-3.5s4.5 1.3 5 3.5M10.5 2.8a2.75 2.75 0 0 1 0 4.9M12.6 10.4c1.3.6 2.1 1.6 2.4 3.1',
  orders: 'M2 2.5h3.2v11H2zM6.4 2.5h3.2v7H6.4zM10.8 2.5H14v9h-3.2z',
  products: 'M8 1.5l6 3v7l-6 3-6-3v-7zM2.3 4.6L8 7.5l5.7-2.9M8 7.5v6.8',
  conversations: 'M2 3h12v8H7.5L4 14v-3H2z',
  templates: 'M2.5 2h11v12h-11zM5 5h6M5 8h6M5 11h3',
  media: 'M2 2.5h12v11H2zM2.5 11.5l3.5-4 3 3 2-2 2.5 2.5M10.5 6.2a.7.7 0 1 0 0-1.4.7.7 0 0 0 0 1.4z',
  edit: 'M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4z',
  trash: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4',
  star: 'M8 2l1.8 3.8 4.2.6-3 2.9.7 4.2L8 11.5l-3.7 2 .7-4.2-3-2.9 4.2-.6z',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  pay: 'M1.5 4h13v8.5h-13zM1.5 7h13M4 10h3',
  refresh: 'M13.5 8A5.5 5.5 0 1 1 11.6 3.8L13.5 5.5M13.5 2v3.5H10',
  upload: 'M8 10.5V3M5 5.5L8 2.5l3 3M2.5 10.5v3h11v-3',
  download: 'M8 2.5V10M5 7.5l3 3 3-3M2.5 10.5v3h11v-3',
  phone: 'M4.5 1.5h7v13h-7zM7 12.5h2',
  clock: 'M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM8 4v4l2.7 2.2',
  grip: 'M6 3.5v.01M10 3.5v.01M6 8v.01M10 8v.01M6 12.5v.01M10 12.5v.01',
  more: 'M3.5 8v.01M8 8v.01M12.5 8v.01',
  audit: 'M4 1.5h6l3 3v10H4zM9.5 1.5v3.5H13M6.5 8h4M6.5 11h4',
  health: 'M8 13.5S1.5 9.8 1.5 5.7A3.2 3.2 0 0 1 8 4.6a3.2 3.2 0 0 1 6.5 1.1C14.5 9.8 8 13.5 8 13.5z',
  leave: 'M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3',
  jobs: 'M2.5 3.5h11M2.5 8h7M2.5 12.5h4M11.5 9.5v5M9 12h5',
  webhooks:
    'M5.2 7.2A3 3 0 1 1 9.8 4M4.8 9a3 3 0 1 0 2.7 3.5h5M8 4.5l2.7 4.6A3 3 0 1 1 9.5 13',
  unplug: 'M1.5 14.5l2.7-2.7M5 7l4 4-1.3 1.3a2.8 2.8 0 0 1-4-4zM9 4l1-1a2.8 2.8 0 0 1 4 4l-1 1M9 4l4 4',
};

/**
 * @param {keyof typeof ICONS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** Replaces an element's icon without touching what stands beside it. */
export function setIcon(element, name) {
  if (element.dataset.icon === name) return;
  element.dataset.icon = name;
  element.querySelector('.icon')?.remove();
  element.prepend(icon(name));
}

/** Writes text only where it differs: an equal write still costs a layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Runs `draw` once in the next frame, however often it is asked for before.
 * @param {() => void} draw
 * @returns {() => void}
 */
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

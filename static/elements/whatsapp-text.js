/**
 * Text as WhatsApp shows it: *bold*, _italic_, ~strike~ and ```mono```, and the placeholders that
 * have no value yet.
 *
 * A mark counts where a word begins or ends: it opens behind a blank, a sign or the beginning, with
 * no blank behind it, and closes in the mirror of that, in the same line. Between three backticks
 * nothing else counts, and lines may break.
 */
import { h } from './dom.js';

/**
 * @typedef {{ kind: 'text', text: string } | { kind: 'missing', text: string }
 *   | { kind: 'bold' | 'italic' | 'strike' | 'mono', children: Piece[] }} Piece
 */

/** @type {Record<string, 'bold' | 'italic' | 'strike'>} */
const MARKS = { '*': 'bold', _: 'italic', '~': 'strike' };
const TAGS = { bold: 'strong', italic: 'em', strike: 's', mono: 'code' };
const PLACEHOLDER = /\{\{[A-Za-z0-9_]{1,64}\}\}/y;
const WORD = /[\p{L}\p{N}]/u;
const FENCE = '```';

/**
 * @param {string} text
 * @param {string[]} [missing] names of placeholders without a value
 * @returns {Piece[]}
 */
export function piecesOf(text, missing = []) {
  return pieces(text, new Set(missing.map((name) => `{{${name}}}`)), new Set());
}

/** @param {string} text @param {Set<string>} missing @param {Set<string>} inside marks around it */
function pieces(text, missing, inside) {
  /** @type {Piece[]} */
  const found = [];
  let plain = '';
  const put = (piece) => {
    if (plain) found.push({ kind: 'text', text: plain });
    plain = '';
    found.push(piece);
  };
  // For each mark, from where on it is known to be closed nowhere: the search stays linear.
  const open = {};
  for (let at = 0; at < text.length;) {
    const rest = placeholderAt(text, at);
    if (rest) {
      if (missing.has(rest)) put({ kind: 'missing', text: rest });
      else plain += rest;
      at += rest.length;
      continue;
    }
    const fence = text.startsWith(FENCE, at) ? text.indexOf(FENCE, at + 3) : -1;
    if (fence > at + 3) {
      const children = mono(text.slice(at + 3, fence), missing);
      put({ kind: 'mono', children });
      at = fence + 3;
      continue;
    }
    const sign = text[at];
    const end = MARKS[sign] && !inside.has(sign) ? closing(text, at, open) : -1;
    if (end > 0) {
      const children = pieces(text.slice(at + 1, end), missing, new Set([...inside, sign]));
      put({ kind: MARKS[sign], children });
      at = end + 1;
    } else {
      plain += sign;
      at += 1;
    }
  }
  if (plain) found.push({ kind: 'text', text: plain });
  return found;
}

/** Inside of a fence only placeholders are more than text. */
function mono(text, missing) {
  return text
    .split(/(\{\{[A-Za-z0-9_]{1,64}\}\})/)
    .filter(Boolean)
    .map((part) => ({ kind: missing.has(part) ? 'missing' : 'text', text: part }));
}

function placeholderAt(text, at) {
  PLACEHOLDER.lastIndex = at;
  return text[at] === '{' ? (PLACEHOLDER.exec(text)?.[0] ?? '') : '';
}

/** @returns {number} where the mark at `at` is closed; -1: it is a sign like any other */
function closing(text, at, open) {
  const sign = text[at];
  const next = text[at + 1];
  if (isWord(before(text, at)) || isBlank(next) || next === sign) return -1;
  if (at < open[sign]) return -1;
  let end = at + 1;
  for (; end < text.length && text[end] !== '\n'; end += 1) {
    const hole = placeholderAt(text, end);
    if (hole) end += hole.length - 1;
    else if (text[end] === sign && end > at + 1 && !isBlank(text[end - 1])) {
      if (!isWord(after(text, end))) return end;
    }
  }
  open[sign] = end;
  return -1;
}

/** The characters beside a place, pairs of surrogates whole. */
const before = (text, at) => (at === 0 ? '' : [...text.slice(Math.max(0, at - 2), at)].at(-1));
const after = (text, at) => (at + 1 < text.length ? [...text.slice(at + 1, at + 3)][0] : '');
const isWord = (sign) => sign !== '' && WORD.test(sign);
const isBlank = (sign) => sign === undefined || /\s/.test(sign);

/**
 * @param {HTMLElement} element whose content becomes the text
 * @param {string} text
 * @param {string[]} [missing]
 */
export function writeWhatsApp(element, text, missing = []) {
  element.replaceChildren(...piecesOf(text, missing).map(node));
}

/** @param {any} piece @returns {Node} */
function node({ kind, text, children }) {
  if (kind === 'text') return document.createTextNode(text);
  if (kind === 'missing') return h('mark', { class: 'hole', title: 'It has no value', text });
  return h(TAGS[kind], {}, ...children.map(node));
}

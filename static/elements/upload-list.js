/**
 * `<upload-list>`: files on their way to the hub, how far each is, and what became of it.
 *
 * Fires `cancel`, `retry` and `show` (detail: the upload's id), and `clear`.
 */
import { isOpen } from '../state/uploads.js';
import { h, icon, setText } from './dom.js';
import { bytes, counted } from './format.js';
import { Keyed } from './keyed.js';

/** @typedef {import('../state/uploads.js').Upload} Upload */

export class UploadList extends HTMLElement {
  #title = h('h2', { class: 'upload-title' });
  #clear = h('button', {
    type: 'button',
    class: 'button small',
    text: 'Clear',
    'aria-label': 'Clear what is finished',
    onclick: () => this.#say('clear', ''),
  });
  #rows = h('ul', { class: 'upload-rows', role: 'list', 'aria-label': 'Uploads' });
  #list = new Keyed(this.#rows, (id) => uploadRow((type) => this.#say(type, id)));
  // Numbers that run are not worth saying aloud; what came to an end is.
  #spoken = h('p', { class: 'unseen', role: 'status' });
  #ended = 0;

  connectedCallback() {
    if (this.firstChild) return;
    const head = h('header', { class: 'upload-head' }, this.#title, this.#clear);
    this.append(h('section', { class: 'upload-box', 'aria-label': 'Uploads' }, head, this.#rows));
    this.append(this.#spoken);
  }

  /** @param {readonly Upload[]} list */
  show(list) {
    const open = list.filter(isOpen).length;
    this.classList.toggle('none', list.length === 0);
    setText(this.#title, open ? `Uploading ${list.length - open + 1} of ${list.length}` : sumOf(list));
    this.#clear.hidden = open === list.length;
    this.#list.show(list.map((upload) => [upload.id, upload]));
    const ended = list.length - open;
    if (ended > this.#ended) setText(this.#spoken, spokenOf(list, open));
    this.#ended = ended;
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {readonly Upload[]} list @returns {string} `2 pictures uploaded, 1 not` */
export function sumOf(list) {
  const done = list.filter(({ state }) => state === 'done').length;
  const rest = list.length - done;
  if (!done) return rest ? `${counted(rest, 'file')} not uploaded` : '';
  return `${counted(done, 'picture')} uploaded${rest ? `, ${rest} not` : ''}`;
}

function spokenOf(list, open) {
  const refused = list.filter(({ problem, state }) => problem && state !== 'broken');
  const why = refused.slice(-3).map(({ name, problem }) => `${name}: ${problem}`);
  return [`${sumOf(list)}${open ? `, ${open} to go` : ''}.`, ...why].join(' ');
}

/** What a person reads of a state. @param {Upload} upload @returns {string} */
export function wordsOf({ state, sent, size, problem, duplicate }) {
  switch (state) {
    case 'waiting':
      return `${bytes(size)} · Waiting`;
    case 'sending':
      return `${bytes(sent)} of ${bytes(size)}`;
    case 'storing':
      return `${bytes(size)} · The hub looks at it`;
    case 'broken':
      return `${ended(problem)} It is sent again by itself.`;
    case 'done':
      return duplicate ? 'This picture was there already' : `${bytes(size)} · Uploaded`;
    case 'cancelled':
      return 'Cancelled';
    default:
      return problem.charAt(0).toUpperCase() + problem.slice(1);
  }
}

function ended(text) {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

function uploadRow(say) {
  const name = h('span', { class: 'upload-name' });
  const words = h('span', { class: 'upload-words number' });
  const bar = h('progress', { max: '1', class: 'upload-bar' });
  const act = (type, sign) => {
    const how = { type: 'button', class: 'icon-button', 'data-act': type };
    return h('button', { ...how, onclick: () => say(type) }, icon(sign));
  };
  const acts = { show: act('show', 'right'), retry: act('retry', 'refresh') };
  const cancel = act('cancel', 'close');
  const element = h(
    'li',
    { class: 'upload-row' },
    h('span', { class: 'upload-what' }, name, words),
    bar,
    h('span', { class: 'upload-acts' }, acts.show, acts.retry, cancel),
  );
  function offer(button, offered, label) {
    button.hidden = !offered;
    button.setAttribute('aria-label', label);
    button.title = label;
  }
  return {
    element,
    /** @param {Upload} upload */
    show(upload) {
      const { state, size, sent, name: called, media } = upload;
      element.dataset.state = state;
      setText(name, called);
      setText(words, wordsOf(upload));
      bar.hidden = !isOpen(upload);
      bar.setAttribute('aria-label', `Upload of ${called}`);
      // The hub's part of the work has no measure.
      if (state === 'storing') bar.removeAttribute('value');
      else bar.value = size ? Math.min(1, sent / size) : 0;
      const had = element.contains(document.activeElement);
      offer(acts.show, state === 'done' && media !== null, `Show ${called}`);
      offer(acts.retry, state === 'failed' || state === 'cancelled', `Try again: ${called}`);
      offer(cancel, isOpen(upload), `Cancel ${called}`);
      // The button under the keyboard is gone: the next one takes its place.
      if (had && document.activeElement?.hidden) {
        [acts.show, acts.retry].find((each) => !each.hidden)?.focus();
      }
    },
  };
}

customElements.define('upload-list', UploadList);

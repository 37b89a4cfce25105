/**
 * `<copy-button>`: copies what its `text` function returns, and says so.
 */
import { h, setIcon, setText } from './dom.js';

const SAID_MS = 1_500;

export class CopyButton extends HTMLElement {
  /** @type {() => string} */
  text = () => '';
  #label = h('span');
  #button = h('button', { type: 'button', class: 'button small', onclick: () => this.#copy() });
  #timer = 0;

  connectedCallback() {
    if (this.firstChild) return;
    this.#button.append(this.#label);
    this.append(this.#button);
    this.#say('copy', this.getAttribute('label') ?? 'Copy');
  }

  async #copy() {
    const done = await write(this.text());
    this.#say(done ? 'check' : 'close', done ? 'Copied' : 'Not copied');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#say('copy', this.getAttribute('label') ?? 'Copy'),
      SAID_MS,
    );
  }

  #say(name, text) {
    setIcon(this.#button, name);
    setText(this.#label, text);
  }
}

/** The clipboard proper is there on secure origins only; by plain http an old way remains. */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'unseen', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

customElements.define('copy-button', CopyButton);

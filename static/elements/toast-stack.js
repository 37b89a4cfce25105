/**
 * `<toast-stack>`: short messages in a corner. A problem stays longer, and is spoken at once.
 */
import { h, icon } from './dom.js';

const MAX = 4;
const STAY_MS = { note: 5_000, problem: 10_000 };

export class ToastStack extends HTMLElement {
  /**
   * Comes to where it can be seen and heard: what is outside of a modal dialog is covered by it,
   * and silent.
   */
  #surface() {
    const dialog = [...document.querySelectorAll('dialog:modal')].at(-1);
    const host = dialog ?? document.body;
    if (this.parentElement === host) return;
    host.append(this);
    dialog?.addEventListener('close', () => this.#surface(), { once: true });
  }

  /**
   * @param {string} text
   * @param {object} [options]
   * @param {'note' | 'problem'} [options.kind]
   * @param {string} [options.detail]
   */
  say(text, { kind = 'note', detail = '' } = {}) {
    const close = h(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        'aria-label': 'Dismiss',
        onclick: () => toast.remove(),
      },
      icon('close'),
    );
    const toast = h(
      'div',
      { class: `toast toast-${kind}`, role: kind === 'problem' ? 'alert' : 'status' },
      icon(kind === 'problem' ? 'close' : 'check'),
      h(
        'div',
        { class: 'toast-text' },
        h('strong', { text }),
        detail && h('span', { text: detail }),
      ),
      close,
    );
    this.#surface();
    this.append(toast);
    while (this.childElementCount > MAX) this.firstElementChild.remove();
    let timer = setTimeout(() => toast.remove(), STAY_MS[kind]);
    // Who is reading it, or about to press its button, gets the time.
    toast.addEventListener('pointerenter', () => clearTimeout(timer));
    toast.addEventListener('pointerleave', () => {
      timer = setTimeout(() => toast.remove(), STAY_MS[kind]);
    });
  }
}

customElements.define('toast-stack', ToastStack);

/**
 * `<toast-stack>`: short messages in a corner. A problem stays longer, and is spoken at once.
 */
import { h, icon } from './dom.js';

const MAX = 4;
const STAY_MS = { note: 5_000, problem: 10_000 };

export class ToastStack extends HTMLElement {
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

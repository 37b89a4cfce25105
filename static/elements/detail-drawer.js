/**
 * A panel at the right with everything about one row. Beside the list where there is room, over it
 * where there is none; there it is modal, so that nothing behind it can be reached.
 *
 * `close` is fired when the person closes it.
 */
import { h, icon, setText } from './dom.js';

/** Narrower, and the list would have no room beside it. */
const NARROW = '(max-width: 1100px)';

let ids = 0;

/**
 * @param {object} options
 * @param {() => void} options.onclose the person has closed it
 */
export function detailDrawer({ onclose }) {
  ids += 1;
  const narrow = window.matchMedia(NARROW);
  const title = h('h2', { class: 'drawer-title', id: `drawer-${ids}`, tabindex: '-1' });
  const beside = h('div', { class: 'drawer-beside' });
  const body = h('div', { class: 'drawer-body' });
  const foot = h('footer', { class: 'drawer-foot', hidden: true });
  const element = h(
    'dialog',
    { class: 'drawer', 'aria-labelledby': title.id },
    h(
      'header',
      { class: 'drawer-head' },
      title,
      beside,
      h(
        'button',
        {
          type: 'button',
          class: 'icon-button',
          'aria-label': 'Close',
          onclick: () => dismiss(),
        },
        icon('close'),
      ),
    ),
    body,
    foot,
  );
  /** Where the keyboard was before. @type {HTMLElement | null} */
  let from = null;

  function dismiss() {
    hide();
    from?.focus();
    onclose();
  }

  function hide() {
    if (element.open) element.close();
  }

  element.addEventListener('cancel', (event) => {
    event.preventDefault();
    dismiss();
  });
  element.addEventListener('keydown', (event) => {
    // A modal one is cancelled by the browser.
    if (event.key !== 'Escape' || narrow.matches || event.defaultPrevented) return;
    event.preventDefault();
    dismiss();
  });
  element.addEventListener('pointerdown', (event) => event.target === element && dismiss());
  function fit() {
    if (!element.open) return;
    element.close();
    place();
  }
  function place() {
    if (narrow.matches) element.showModal();
    else element.show();
  }
  narrow.addEventListener('change', fit);

  return {
    element,
    body,
    foot,
    beside,
    /**
     * @param {string} text the title
     * @param {boolean} [focus] whether the keyboard goes there
     */
    open(text, focus = true) {
      setText(title, text);
      if (!element.open) {
        const at = document.activeElement;
        from = at instanceof HTMLElement && at !== document.body ? at : null;
        body.scrollTop = 0;
        place();
        if (focus) title.focus();
        else from?.focus();
      }
    },
    /** @param {string} text another title */
    title: (text) => setText(title, text),
    /** The row is not shown any more. */
    hide,
    leave() {
      narrow.removeEventListener('change', fit);
    },
  };
}

/**
 * Tabs: several panels in one place, of which one is seen. Arrow keys go from tab to tab.
 */
import { h } from './dom.js';

let ids = 0;

/**
 * @param {string} label what they are tabs of
 * @param {{ name: string, text: string, panel: HTMLElement }[]} tabs
 * @param {(name: string) => void} [chosen]
 */
export function tabs(label, tabs, chosen = () => {}) {
  ids += 1;
  const buttons = tabs.map(({ name, text, panel }, index) => {
    const id = `tab-${ids}-${index}`;
    panel.id ||= `${id}-panel`;
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', id);
    return h('button', {
      type: 'button',
      class: 'tab',
      role: 'tab',
      id,
      'aria-controls': panel.id,
      'data-tab': name,
      text,
      onclick: () => show(name),
    });
  });
  const element = h('div', { class: 'tabs', role: 'tablist', 'aria-label': label }, ...buttons);
  element.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(/** @type {any} */ (document.activeElement));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 }[
      event.key
    ];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = (to + buttons.length) % buttons.length;
    buttons[next].focus();
    show(tabs[next].name);
  });

  /** @param {string} name */
  function show(name) {
    tabs.forEach((tab, index) => {
      const selected = tab.name === name;
      tab.panel.hidden = !selected;
      buttons[index].setAttribute('aria-selected', String(selected));
      buttons[index].tabIndex = selected ? 0 : -1;
    });
    chosen(name);
  }

  return { element, show };
}

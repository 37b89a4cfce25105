/**
 * A list of elements, one for each key: those that stay are kept, with their focus and selection.
 * @template T
 */
export class Keyed {
  #container;
  #make;
  /** @type {Map<string, { element: HTMLElement, show: (value: T) => void }>} */
  #items = new Map();

  /**
   * @param {HTMLElement} container it has no other children
   * @param {(key: string) => { element: HTMLElement, show: (value: T) => void }} make
   */
  constructor(container, make) {
    this.#container = container;
    this.#make = make;
  }

  /** @param {string} key @returns {HTMLElement | undefined} */
  element(key) {
    return this.#items.get(key)?.element;
  }

  /** @param {[string, T][]} entries in the order in which they are shown */
  show(entries) {
    const keys = new Set(entries.map(([key]) => key));
    for (const [key, { element }] of this.#items) {
      if (keys.has(key)) continue;
      element.remove();
      this.#items.delete(key);
    }
    entries.forEach(([key, value], index) => {
      let item = this.#items.get(key);
      if (!item) {
        item = this.#make(key);
        this.#items.set(key, item);
      }
      item.show(value);
      // An element that is moved loses the focus: only what stands elsewhere is put in place.
      const there = this.#container.children[index];
      if (there !== item.element) this.#container.insertBefore(item.element, there ?? null);
    });
  }
}

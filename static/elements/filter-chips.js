/**
 * `<filter-chips>`: which types are shown: a field for prefixes, and a chip for every type seen.
 * Fires `filter` with the patterns in `detail`.
 */
import { MAX_PATTERNS, parsePatterns } from '../client/patterns.js';
import { h, icon, setText } from './dom.js';
import { compact } from './format.js';
import { familyOf } from './summary.js';

export class FilterChips extends HTMLElement {
  #input = h('input', {
    type: 'text',
    class: 'filter-input',
    placeholder: 'Filter types, e.g. order_*',
    'aria-label': 'Filter by type or prefix',
    'aria-describedby': 'filter-problem',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    enterkeyhint: 'go',
  });
  #problem = h('p', { class: 'filter-problem', id: 'filter-problem', role: 'alert', hidden: true });
  #all = chip('All types', () => this.#change([]));
  #chips = h('div', { class: 'chips', role: 'group', 'aria-label': 'Types' }, this.#all.element);
  /** Chips stay where they appeared: one that moves is one that is missed. */
  #byPattern = new Map();
  /** @type {string[]} */
  #types = [];

  connectedCallback() {
    if (this.firstChild) return;
    const form = h(
      'form',
      { class: 'filter-form', role: 'search' },
      icon('search'),
      this.#input,
      this.#problem,
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
    this.#input.addEventListener('input', () => this.#complain(''));
    this.#chips.addEventListener('wheel', (event) => this.#scroll(event), { passive: false });
    this.append(form, this.#chips);
  }

  /** Puts the cursor into the field. */
  edit() {
    this.#input.focus();
    this.#input.select();
  }

  /**
   * @param {string[]} types the patterns in force
   * @param {Map<string, number>} seen
   */
  show(types, seen) {
    this.#types = types;
    this.#all.press(types.length === 0);
    // What is in force stands where it is seen; the rest follows as it appears.
    for (const pattern of types) this.#chip(pattern, true);
    for (const type of seen.keys()) this.#chip(type, false);
    for (const [pattern, item] of this.#byPattern) {
      const pressed = types.includes(pattern);
      item.press(pressed);
      item.count(seen.get(pattern));
      // A prefix that was typed in is there as long as it is used.
      if (!pressed && !seen.has(pattern)) {
        item.element.remove();
        this.#byPattern.delete(pattern);
      }
    }
  }

  #chip(pattern, first) {
    if (this.#byPattern.has(pattern)) return;
    const item = chip(pattern, () => this.#toggle(pattern));
    item.element.dataset.family = familyOf(pattern);
    this.#byPattern.set(pattern, item);
    if (first) this.#all.element.after(item.element);
    else this.#chips.append(item.element);
  }

  /** The row of chips has no scrollbar: a wheel that turns one way only must do. */
  #scroll(event) {
    const before = this.#chips.scrollLeft;
    this.#chips.scrollLeft += event.deltaY;
    if (this.#chips.scrollLeft !== before) event.preventDefault();
  }

  #toggle(pattern) {
    const rest = this.#types.filter((type) => type !== pattern);
    this.#change(rest.length < this.#types.length ? rest : [...this.#types, pattern]);
  }

  #add() {
    const { patterns, problem } = parsePatterns(this.#input.value);
    if (problem) return this.#complain(problem);
    const types = [...new Set([...this.#types, ...patterns])];
    if (this.#change(types)) this.#input.value = '';
  }

  #change(types) {
    if (types.length > MAX_PATTERNS) {
      this.#complain(`At most ${MAX_PATTERNS} types can be chosen at once`);
      return false;
    }
    this.#complain('');
    this.dispatchEvent(new CustomEvent('filter', { detail: types }));
    return true;
  }

  #complain(problem) {
    setText(this.#problem, problem);
    this.#problem.hidden = problem === '';
    this.#input.setAttribute('aria-invalid', String(problem !== ''));
  }
}

function chip(label, onclick) {
  const count = h('span', { class: 'chip-count number' });
  const element = h(
    'button',
    { type: 'button', class: 'chip', 'aria-pressed': 'false', onclick },
    h('span', { class: 'chip-label', text: label }),
    count,
  );
  return {
    element,
    press: (pressed) => element.setAttribute('aria-pressed', String(pressed)),
    count: (value) => setText(count, value ? compact(value) : ''),
  };
}

customElements.define('filter-chips', FilterChips);

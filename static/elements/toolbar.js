/**
 * The line above a list: a box to search in, choices, and what is chosen.
 */
import { h, icon } from './dom.js';

/** Long enough not to ask for every letter, short enough not to be waited for. */
const TYPING_MS = 200;

/**
 * @param {object} options
 * @param {string} options.label
 * @param {string} [options.placeholder]
 * @param {(text: string) => void} options.find after a short rest of the keys, and on Enter at once
 */
export function searchBox({ label, placeholder = label, find }) {
  const field = h('input', {
    type: 'search',
    class: 'filter-input',
    'aria-label': label,
    placeholder,
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  let timer = 0;
  const now = () => {
    clearTimeout(timer);
    find(field.value.trim());
  };
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(now, TYPING_MS);
  });
  field.addEventListener('change', now);
  return {
    element: h('div', { class: 'filter-form' }, icon('search'), field),
    /** @param {string} text what is searched for, by the address */
    show(text) {
      if (field.value.trim() !== text && document.activeElement !== field) field.value = text;
    },
  };
}

/**
 * @param {...Node} parts
 * @returns {HTMLElement}
 */
export function toolbar(...parts) {
  return h(
    'form',
    { class: 'toolbar', role: 'search', onsubmit: (event) => event.preventDefault() },
    ...parts,
  );
}

/**
 * @param {object} options
 * @param {string} options.label
 * @param {[value: string, text: string][]} options.options
 * @param {(value: string) => void} options.choose
 */
export function choice({ label, options, choose }) {
  const control = h(
    'select',
    { class: 'field', 'aria-label': label },
    ...options.map(([value, text]) => h('option', { value, text })),
  );
  control.addEventListener('change', () => choose(control.value));
  return {
    element: control,
    /** @param {string} value */
    show(value) {
      const known = options.some(([each]) => each === value);
      control.value = known ? value : options[0][0];
    },
  };
}

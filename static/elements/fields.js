/**
 * Fields of a form: a label, a control, and what is wrong with its value.
 *
 * What the hub refuses names fields by JSON pointers (RFC 6901); `Form` puts each message at the
 * field that its pointer names, and what belongs to no field above the form's end.
 */
import { sentenceOf } from '../client/errors.js';
import { h, setText } from './dom.js';

let ids = 0;

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {any} control the input, select or textarea
 * @property {string} pointer
 * @property {(message: string) => void} complain an empty message: nothing is wrong
 */

/**
 * @param {object} options
 * @param {string} options.label
 * @param {string} options.pointer of the value in the params, `/customer_phone`
 * @param {HTMLElement} options.control
 * @param {string} [options.hint] a line below it
 * @param {boolean} [options.wide] whether it takes the whole width where two stand in a line
 * @returns {Field}
 */
export function field({ label, pointer, control, hint = '', wide = false }) {
  ids += 1;
  const id = `field-${ids}`;
  control.id ||= id;
  control.classList.add('field');
  const note = h('p', { class: 'field-hint', id: `${id}-hint`, text: hint, hidden: !hint });
  const problem = h('p', { class: 'field-problem', id: `${id}-problem`, hidden: true });
  control.setAttribute('aria-describedby', `${note.id} ${problem.id}`);
  const element = h(
    'div',
    { class: wide ? 'form-field wide' : 'form-field' },
    h('label', { class: 'field-label', for: control.id, text: label }),
    control,
    note,
    problem,
  );
  function complain(message) {
    setText(problem, message);
    problem.hidden = message === '';
    note.hidden = !hint || message !== '';
    if (message) control.setAttribute('aria-invalid', 'true');
    else control.removeAttribute('aria-invalid');
  }
  // Whoever mends it need not look at what was wrong.
  control.addEventListener('input', () => complain(''));
  return { element, control, pointer, complain };
}

/** @param {Record<string, any>} [attributes] @returns {any} */
export function input(attributes = {}) {
  return h('input', { autocomplete: 'off', ...attributes });
}

/** @param {Record<string, any>} [attributes] @returns {any} */
export function textarea(attributes = {}) {
  return h('textarea', { rows: '3', ...attributes });
}

/**
 * @param {[value: string, text: string][]} options
 * @param {Record<string, any>} [attributes]
 * @returns {any}
 */
export function select(options, attributes = {}) {
  return h('select', attributes, ...options.map(([value, text]) => h('option', { value, text })));
}

/** @param {string} label @param {Record<string, any>} [attributes] */
export function checkbox(label, attributes = {}) {
  const control = h('input', { type: 'checkbox', ...attributes });
  return { element: h('label', { class: 'check' }, control, h('span', { text: label })), control };
}

/**
 * Which field a pointer is about: its own, or the nearest around it.
 * @param {string} pointer
 * @param {string[]} known pointers of fields
 * @returns {string | null}
 */
export function fieldOf(pointer, known) {
  // The socket's door says where in the frame, REST's where in the body.
  const path = pointer.replace(/^\/params(?=\/)/, '');
  const around = known.filter((each) => path === each || path.startsWith(`${each}/`));
  return around.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** The fields of one form, and what stands above its end where no field is meant. */
export class Form {
  /** @type {Field[]} */
  fields = [];

  constructor() {
    this.problems = h('ul', { class: 'form-problem', role: 'alert', hidden: true });
  }

  /** @param {...Field} fields */
  add(...fields) {
    this.fields.push(...fields);
  }

  /** Forgets fields that are gone from the form. @param {Field} gone */
  remove(gone) {
    this.fields = this.fields.filter((each) => each !== gone);
  }

  /** Nothing is wrong. */
  clear() {
    for (const { complain } of this.fields) complain('');
    this.#complain([]);
  }

  /**
   * Shows what is wrong and goes to the first field of it.
   * @param {{ pointer: string, message: string }[]} errors
   */
  show(errors) {
    this.clear();
    const rest = [];
    for (const { pointer, message } of errors) {
      const found = fieldOf(pointer, this.fields.map((each) => each.pointer));
      const target = this.fields.find((each) => each.pointer === found);
      if (target) target.complain(sentence(message));
      else rest.push({ pointer, message });
    }
    this.#complain(rest);
    this.fields.find(({ control }) => control.hasAttribute('aria-invalid'))?.control.focus();
  }

  /** @param {import('../client/errors.js').HubError} error what the hub has refused */
  refuse(error) {
    if (error.errors?.length) this.show(error.errors);
    else this.show([{ pointer: '', message: sentenceOf(error) }]);
  }

  #complain(list) {
    this.problems.replaceChildren(
      ...list.map(({ pointer, message }) =>
        h('li', {}, pointer ? h('code', { text: pointer }) : '', sentence(message)),
      ),
    );
    this.problems.hidden = list.length === 0;
  }
}

/** @param {string} message @returns {string} with a capital, as it stands alone */
export function sentence(message) {
  return message.charAt(0).toUpperCase() + message.slice(1);
}

/**
 * The variables of a template: put into its texts by a press, and with example values that the
 * preview is filled with and that are stored with it.
 */
import { h, icon } from '../elements/dom.js';
import { field, input } from '../elements/fields.js';
import { Keyed } from '../elements/keyed.js';
import { isVariable, placeholder } from '../state/template-text.js';

/**
 * @param {object} options
 * @param {boolean} options.editable whether the texts can be changed; values can be tried always
 * @param {(name: string) => void} options.insert
 * @param {() => void} options.changed a value
 * @param {() => Record<string, any>} options.example of the draft, which is written to
 * @param {import('./template-choices.js').Host['add']} options.add
 * @param {import('./template-choices.js').Host['remove']} options.remove
 */
export function templateValues({ editable, insert, changed, example, add, remove }) {
  const chips = h('div', {
    class: 'variable-chips',
    role: 'group',
    'aria-label': 'Insert a variable',
  });
  const chipList = new Keyed(chips, chip);
  const values = h('div', { class: 'form-grid' });
  /** @type {Map<string, any>} */
  const fields = new Map();
  const valueList = new Keyed(values, valueField);
  const none = h('p', {
    class: 'muted',
    text: 'No variables yet. Write {{name}} into a text, and each message says its own.',
  });
  const name = input({
    'aria-label': 'Name of a new variable',
    class: 'field mono',
    placeholder: 'new_variable',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: '64',
  });
  const put = h(
    'button',
    { type: 'button', class: 'button', disabled: true, onclick: fresh },
    icon('plus'),
    h('span', { text: 'Insert' }),
  );
  name.addEventListener('input', () => {
    put.disabled = !isVariable(name.value.trim());
  });
  name.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    fresh();
  });

  function fresh() {
    const wanted = name.value.trim();
    if (!isVariable(wanted)) return;
    name.value = '';
    put.disabled = true;
    insert(wanted);
  }

  function chip(key) {
    const element = h('button', {
      type: 'button',
      class: 'variable-chip mono',
      text: placeholder(key),
      title: `Insert ${placeholder(key)} where the cursor was`,
      disabled: !editable,
      onclick: () => insert(key),
    });
    return { element, show: () => {} };
  }

  function valueField(key) {
    const control = input({ 'data-variable': key, maxlength: '4096' });
    const made = field({ label: key, pointer: `/variables/${key}`, control });
    control.addEventListener('input', () => {
      example()[key] = control.value;
      changed();
    });
    fields.set(key, made);
    return {
      element: made.element,
      show(value) {
        if (document.activeElement !== control && control.value !== value) control.value = value;
      },
    };
  }

  return {
    element: h(
      'section',
      { class: 'form-part', 'aria-label': 'Variables' },
      h('h3', { text: 'Variables' }),
      chips,
      h('div', { class: 'variable-new', hidden: !editable }, name, put),
      none,
      h('p', { class: 'field-hint', text: 'Example values' }),
      values,
    ),
    /** @param {string[]} names of what is in the texts */
    show(names) {
      none.hidden = names.length > 0;
      values.previousElementSibling.hidden = names.length === 0;
      chips.hidden = names.length === 0;
      const text = (key) => String(example()[key] ?? '');
      chipList.show(names.map((key) => [key, null]));
      valueList.show(names.map((key) => [key, text(key)]));
      for (const [key, made] of fields) {
        if (names.includes(key)) continue;
        remove(made);
        fields.delete(key);
      }
      for (const made of fields.values()) add(made);
    },
  };
}

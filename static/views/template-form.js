/**
 * The fields of a template. What is written stands in a draft, and what is wrong with it at the
 * fields: too much of a text at once, everything else when the hub has said so.
 */
import { countedField } from '../elements/counted-field.js';
import { h } from '../elements/dom.js';
import { field, fieldOf, Form, input, sentence, textarea } from '../elements/fields.js';
import { merchantField } from '../elements/merchant-field.js';
import { bodyLimit, draftOf, draftValues, draftVariables } from '../state/template-draft.js';
import { BUTTONS, insertVariable, lengthOf, LIMITS } from '../state/template-text.js';
import { TYPES } from '../state/templates.js';
import { buttonsEditor, sectionsEditor } from './template-choices.js';
import { mediaEditor } from './template-media.js';
import { templateValues } from './template-values.js';

/** What is no part of the message: of that a preview says nothing, only a save. */
const STORED = new Set(['/name', '/description', '/language']);

/**
 * @typedef {import('../state/template-draft.js').Draft} Draft
 *
 * @param {import('./shell.js').Context} context
 * @param {() => void} changed something that is written
 */
export function templateForm(context, changed) {
  const editable = context.may('templates.update');
  const form = new Form();
  /** @type {Map<any, import('./template-choices.js').Measure>} */
  const measures = new Map();
  /** Whose faults may be shown: nobody is told that what they have not come to yet is empty. */
  const touched = new Set();
  let all = false;
  let draft = draftOf();
  let merchantId = '';
  /** The text that a variable is put into. @type {any} */
  let target = null;

  /** @type {import('./template-choices.js').Host} */
  const host = {
    draft: () => draft,
    editable,
    whose: () => (merchantId ? { merchant_id: merchantId } : merchant.params()),
    add(made, measure) {
      if (form.fields.includes(made)) return;
      form.add(made);
      made.control.addEventListener('input', () => touched.add(made));
      if (!measure) return;
      measures.set(made, measure);
      made.control.addEventListener('focus', () => {
        target = made.control;
      });
    },
    remove(made) {
      form.remove(made);
      measures.delete(made);
      touched.delete(made);
    },
    changed: written,
  };

  /** A text of the draft itself. */
  function text(member, { label, control, limit, hint = '', wide = false, filled = true }) {
    if (!editable) control.readOnly = true;
    const made = countedField({ label, pointer: `/${member}`, control, hint, wide });
    control.addEventListener('input', () => {
      draft[member] = control.value;
      if (!filled) made.count([...control.value].length, limit());
      written();
    });
    host.add(made, filled ? { text: () => draft[member], limit } : undefined);
    return Object.assign(made, {
      load() {
        control.value = draft[member];
        if (!filled) made.count([...control.value].length, limit());
      },
    });
  }

  const merchant = merchantField(context);
  const name = text('name', {
    label: 'Name',
    control: input({ class: 'mono', autocapitalize: 'none', spellcheck: 'false', required: true }),
    limit: () => LIMITS.name,
    hint: '3 to 50 of a-z, 0-9 and _; a bot asks for it by this name',
    filled: false,
  });
  const language = field({
    label: 'Language',
    pointer: '/language',
    control: input({ class: 'mono', maxlength: '16', autocapitalize: 'none', spellcheck: 'false' }),
    hint: 'As WhatsApp names it: en, pt_BR',
  });
  language.control.readOnly = !editable;
  language.control.addEventListener('input', () => {
    draft.language = language.control.value.trim();
    written();
  });
  host.add(language);
  form.add(merchant.field);
  const description = text('description', {
    label: 'Description (optional)',
    control: input(),
    limit: () => LIMITS.description,
    hint: 'For colleagues; customers never see it',
    wide: true,
    filled: false,
  });
  const header = text('header', {
    label: 'Header (optional)',
    control: input(),
    limit: () => LIMITS.header,
  });
  const body = text('body', {
    label: 'Body',
    control: textarea({ rows: '6' }),
    limit: () => bodyLimit(draft),
    hint: 'Write *bold*, _italic_, ~strike~, ```mono```, and {{name}} for what differs each time',
  });
  const footer = text('footer', {
    label: 'Footer (optional)',
    control: input(),
    limit: () => LIMITS.footer,
  });
  const opener = text('button_text', {
    label: 'Opener of the list',
    control: input(),
    limit: () => LIMITS.opener,
    hint: 'What a customer taps to see the choices',
  });
  const types = typeChoice(editable, (type) => {
    draft.type = type;
    shape();
    written();
  });
  const buttons = buttonsEditor(host);
  const sections = sectionsEditor(host);
  const media = mediaEditor(context, host);
  const values = templateValues({
    editable,
    insert,
    changed: written,
    example: () => draft.example,
    add: host.add,
    remove: host.remove,
  });
  const parts = {
    buttons: part('Buttons', buttons.element),
    list: part('List', sections.element),
    media: part('Media', media.element),
  };
  const element = h(
    'form',
    { class: 'template-form', 'aria-label': 'Template', novalidate: true },
    part(
      'Template',
      types.element,
      h(
        'div',
        { class: 'form-grid' },
        merchant.element,
        name.element,
        language.element,
        description.element,
      ),
    ),
    parts.media,
    part('Message', header.element, body.element, footer.element, opener.element),
    parts.buttons,
    parts.list,
    values.element,
    form.problems,
  );
  // Enter in a line is no order to save: there are many of them.
  element.addEventListener('submit', (event) => event.preventDefault());

  /** Shows what the type has. */
  function shape() {
    const { type } = draft;
    types.show(type);
    for (const [key, each] of Object.entries(parts)) each.hidden = key !== type;
    opener.element.hidden = !(
      type === 'list' ||
      (type === 'buttons' && draft.buttons.length > BUTTONS)
    );
    const label = body.element.querySelector('label');
    label.textContent = type === 'media' ? 'Caption (optional)' : 'Body';
    body.pointer = type === 'media' ? '/media/caption' : '/body';
  }

  function written() {
    shape();
    measure();
    changed();
  }

  function measure() {
    const filled = draftValues(draft);
    for (const [made, { text: of, limit, address }] of measures) {
      made.count(lengthOf(of(), filled, address), limit());
    }
    values.show(draftVariables(draft));
  }

  function insert(variable) {
    const into = target?.isConnected && !target.closest('[hidden]') ? target : body.control;
    const { text: value, at } = insertVariable(
      into.value,
      into.selectionStart ?? into.value.length,
      into.selectionEnd ?? into.value.length,
      variable,
    );
    into.value = value;
    into.focus();
    into.setSelectionRange(at, at);
    into.dispatchEvent(new Event('input', { bubbles: true }));
  }

  const visible = () => form.fields.filter(({ control }) => !control.closest('[hidden]'));

  return {
    element,
    /** Where what is refused is shown. */
    form,
    merchant,
    dialog: media.dialog,
    get draft() {
      return draft;
    },
    /**
     * @param {Draft} next
     * @param {string} [whose] the merchant of a stored one; without it, it is new
     */
    load(next, whose = '') {
      const fresh = whose === '';
      merchantId = whose;
      draft = next;
      touched.clear();
      all = !fresh;
      form.clear();
      for (const each of [name, description, header, body, footer, opener]) each.load();
      language.control.value = draft.language;
      merchant.element.hidden = true;
      if (fresh) merchant.show();
      buttons.build();
      sections.build();
      media.load();
      shape();
      measure();
    },
    /**
     * Shows at the fields what the hub says is wrong.
     * @param {{ pointer: string, message: string }[]} errors
     */
    mark(errors) {
      const shown = visible();
      const pointers = shown.map((each) => each.pointer);
      const faults = new Map();
      for (const { pointer, message } of errors) {
        const found = fieldOf(pointer, pointers);
        if (found !== null && !faults.has(found)) faults.set(found, sentence(message));
      }
      for (const each of shown) {
        if (STORED.has(each.pointer)) continue;
        const fault = all || touched.has(each) ? (faults.get(each.pointer) ?? '') : '';
        // Those without a mark of their own have nothing that the preview could find wrong.
        /** @type {any} */ (each).mark?.(fault);
      }
    },
    /** Whoever wants to save is told everything. */
    tellAll() {
      all = true;
    },
    /** @param {string} pointer to what is wrong */
    goTo(pointer) {
      const shown = visible();
      const found = fieldOf(
        pointer,
        shown.map((each) => each.pointer),
      );
      shown.find((each) => each.pointer === found)?.control.focus();
    },
    focus: () => (draft.name ? body : name).control.focus(),
  };
}

function part(title, ...children) {
  return h(
    'section',
    { class: 'form-part', 'aria-label': title },
    h('h3', { text: title }),
    ...children,
  );
}

function typeChoice(editable, choose) {
  const options = TYPES.map(([value, label]) => {
    const control = h('input', { type: 'radio', name: 'template-type', value, class: 'unseen' });
    control.disabled = !editable;
    control.addEventListener('change', () => choose(value));
    return {
      value,
      control,
      element: h('label', { class: 'segment' }, control, h('span', { text: label })),
    };
  });
  return {
    element: h(
      'fieldset',
      { class: 'segments' },
      h('legend', { class: 'field-label', text: 'Type' }),
      h('div', { class: 'segment-row' }, ...options.map((each) => each.element)),
    ),
    show(type) {
      for (const { value, control } of options) control.checked = value === type;
    },
  };
}

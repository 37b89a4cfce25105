/**
 * The choices of a template as they are written: buttons, and the rows of a list in their sections.
 *
 * They are built again whenever one comes, goes or moves, since their pointers are their places;
 * while a person types, they stay as they are.
 */
import { countedField } from '../elements/counted-field.js';
import { h, icon } from '../elements/dom.js';
import { input } from '../elements/fields.js';
import { movedItem, newButton, newRow, newSection } from '../state/template-draft.js';
import { BUTTONS, CHOICES, idFor, LIMITS } from '../state/template-text.js';

/**
 * @typedef {object} Host the form around them
 * @property {() => import('../state/template-draft.js').Draft} draft
 * @property {boolean} editable
 * @property {() => { merchant_id?: string }} whose whose media are offered
 * @property {(field: import('../elements/fields.js').Field, measure?: Measure) => void} add
 * @property {(field: import('../elements/fields.js').Field) => void} remove
 * @property {() => void} changed
 *
 * @typedef {{ text: () => string, limit: () => number, address?: boolean }} Measure
 */

/** Choices whose id follows what a person reads, until it is given by hand. */
const following = new WeakSet();

/** Makes fields and forgets them together. @param {Host} host */
function fieldsOf(host) {
  let fields = [];
  return {
    clear() {
      for (const each of fields) host.remove(each);
      fields = [];
    },
    /** A line of text that belongs to a member of an item. */
    line({ label, pointer, item, member, limit, after = () => {}, code = false }) {
      const control = input({
        class: code ? 'mono' : '',
        readonly: !host.editable,
        ...(code && { autocapitalize: 'none', spellcheck: 'false' }),
      });
      control.value = item[member];
      const made = countedField({ label, pointer, control });
      control.addEventListener('input', () => {
        item[member] = control.value;
        after();
        host.changed();
      });
      fields.push(made);
      // An id is sent as it is: no placeholder is filled in there.
      host.add(made, code ? undefined : { text: () => item[member], limit: () => limit });
      if (code) control.addEventListener('input', () => count());
      const count = () => code && made.count([...item[member]].length, limit);
      count();
      return Object.assign(made, { recount: count });
    },
    /** A group that may be wrong as a whole. */
    group({ pointer, control }) {
      const problem = h('p', { class: 'field-problem', hidden: true });
      const complain = (message) => {
        problem.textContent = message;
        problem.hidden = message === '';
      };
      const made = { element: problem, control, pointer, complain, mark: complain };
      host.add(made);
      return made;
    },
  };
}

/** An id that follows its text. */
function linked(fields, { item, member, others, text, id }) {
  if (item.id === '') following.add(item);
  const code = fields.line({
    ...id,
    item,
    member: 'id',
    code: true,
    after: () => following.delete(item),
  });
  const shown = fields.line({
    ...text,
    item,
    member,
    after() {
      if (!following.has(item)) return;
      item.id = idFor(
        item[member],
        others().map((each) => each.id),
      );
      code.control.value = item.id;
      code.recount();
    },
  });
  return { code, shown };
}

function tools(name, { at, count, move, remove, fewest = 1 }) {
  const button = (act, sign, label, disabled, onclick) => {
    const how = { type: 'button', class: 'icon-button', 'data-act': act, title: label, disabled };
    return h('button', { ...how, 'aria-label': `${label}: ${name}`, onclick }, icon(sign));
  };
  return h(
    'div',
    { class: 'choice-tools' },
    button('up', 'previous', 'Move up', at === 0, () => move(-1)),
    button('down', 'next', 'Move down', at === count - 1, () => move(1)),
    button('remove', 'close', 'Remove', count <= fewest, remove),
  );
}

function addButton(label, onclick) {
  return h(
    'button',
    { type: 'button', class: 'button small', onclick },
    icon('plus'),
    h('span', { text: label }),
  );
}

/** Puts the keyboard back after a change of places. */
function refocus(list, at, act) {
  const item = list.children[at];
  const target = item?.querySelector(`[data-act="${act}"]:enabled`) ?? item?.querySelector('input');
  target?.focus();
}

/** @param {Host} host */
export function buttonsEditor(host) {
  const fields = fieldsOf(host);
  const list = h('ol', { class: 'choices', 'aria-label': 'Buttons' });
  const note = h('p', {
    class: 'field-hint',
    text: `With more than ${BUTTONS} buttons they are sent as a list.`,
  });
  const add = addButton('Add a button', () => {
    host.draft().buttons.push(newButton());
    changed();
    refocus(list, host.draft().buttons.length - 1, 'none');
  });
  const group = fields.group({ pointer: '/buttons', control: add });

  function changed() {
    build();
    host.changed();
  }

  function build() {
    fields.clear();
    const { buttons } = host.draft();
    add.hidden = !host.editable;
    add.disabled = buttons.length >= CHOICES;
    note.hidden = buttons.length <= BUTTONS;
    list.replaceChildren(
      ...buttons.map((item, at) => {
        const { shown, code } = linked(fields, {
          item,
          member: 'label',
          others: () => host.draft().buttons.filter((each) => each !== item),
          text: { label: 'Label', pointer: `/buttons/${at}/label`, limit: LIMITS.label },
          id: {
            label: 'Id',
            pointer: `/buttons/${at}/id`,
            limit: buttons.length > BUTTONS ? LIMITS.rowId : LIMITS.buttonId,
          },
        });
        const move = (step) => {
          host.draft().buttons = movedItem(buttons, at, step);
          changed();
          refocus(list, at + step, step < 0 ? 'up' : 'down');
        };
        const remove = () => {
          buttons.splice(at, 1);
          changed();
          refocus(list, Math.min(at, buttons.length - 1), 'remove');
        };
        const name = `button ${at + 1}`;
        return h(
          'li',
          { class: 'choice', 'aria-label': name },
          h('div', { class: 'form-grid' }, shown.element, code.element),
          host.editable && tools(name, { at, count: buttons.length, move, remove }),
        );
      }),
    );
  }

  return { element: h('div', { class: 'choice-group' }, list, note, group.element, add), build };
}

/** @param {Host} host */
export function sectionsEditor(host) {
  const fields = fieldsOf(host);
  const list = h('ol', { class: 'sections', 'aria-label': 'Sections' });
  const add = addButton('Add a section', () => {
    host.draft().sections.push(newSection());
    changed();
    refocus(list, host.draft().sections.length - 1, 'none');
  });
  const group = fields.group({ pointer: '/sections', control: add });

  function changed() {
    build();
    host.changed();
  }
  const allRows = () => host.draft().sections.flatMap(({ rows }) => rows);

  function build() {
    fields.clear();
    const { sections } = host.draft();
    add.hidden = !host.editable;
    add.disabled = allRows().length >= CHOICES || sections.length >= CHOICES;
    list.replaceChildren(...sections.map(section));
  }

  function section(item, at) {
    const { sections } = host.draft();
    const pointer = `/sections/${at}`;
    const title = fields.line({
      label: sections.length > 1 ? 'Title of the section' : 'Title of the section (optional)',
      pointer: `${pointer}/title`,
      item,
      member: 'title',
      limit: LIMITS.sectionTitle,
    });
    const rows = h('ol', { class: 'choices', 'aria-label': `Rows of section ${at + 1}` });
    const more = addButton('Add a row', () => {
      item.rows.push(newRow());
      changed();
      refocus(list.children[at].querySelector('.choices'), item.rows.length - 1, 'none');
    });
    more.hidden = !host.editable;
    more.disabled = allRows().length >= CHOICES;
    rows.append(...item.rows.map((each, place) => row(item, each, at, place)));
    const move = (step) => {
      host.draft().sections = movedItem(sections, at, step);
      changed();
      list.children[at + step].querySelector('.choice-tools button:enabled')?.focus();
    };
    const remove = () => {
      sections.splice(at, 1);
      changed();
      refocus(list, Math.min(at, sections.length - 1), 'none');
    };
    const name = `section ${at + 1}`;
    return h(
      'li',
      { class: 'section', 'aria-label': name },
      h(
        'div',
        { class: 'section-head' },
        title.element,
        host.editable && tools(name, { at, count: sections.length, move, remove }),
      ),
      rows,
      more,
    );
  }

  function row(owner, item, at, place) {
    const pointer = `/sections/${at}/rows/${place}`;
    const { shown, code } = linked(fields, {
      item,
      member: 'title',
      others: () => allRows().filter((each) => each !== item),
      text: { label: 'Title', pointer: `${pointer}/title`, limit: LIMITS.rowTitle },
      id: { label: 'Id', pointer: `${pointer}/id`, limit: LIMITS.rowId },
    });
    const description = fields.line({
      label: 'Description (optional)',
      pointer: `${pointer}/description`,
      item,
      member: 'description',
      limit: LIMITS.rowDescription,
    });
    const rowsOf = () => list.children[at].querySelector('.choices');
    const move = (step) => {
      owner.rows = movedItem(owner.rows, place, step);
      changed();
      refocus(rowsOf(), place + step, step < 0 ? 'up' : 'down');
    };
    const remove = () => {
      owner.rows.splice(place, 1);
      changed();
      refocus(rowsOf(), Math.min(place, owner.rows.length - 1), 'remove');
    };
    const name = `row ${place + 1} of section ${at + 1}`;
    description.element.classList.add('wide');
    return h(
      'li',
      { class: 'choice', 'aria-label': name },
      h('div', { class: 'form-grid' }, shown.element, code.element, description.element),
      host.editable && tools(name, { at: place, count: owner.rows.length, move, remove }),
    );
  }

  return { element: h('div', { class: 'choice-group' }, list, group.element, add), build };
}

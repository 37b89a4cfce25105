/**
 * Native dialogs: a form with a head, a body and two buttons, and a question with two answers.
 */
import { h, icon, setText } from './dom.js';
import { Form } from './fields.js';

let ids = 0;

/**
 * @param {object} options
 * @param {string} options.title
 * @param {(Node | string)[]} options.body
 * @param {string} options.submit what the button says
 * @param {string} [options.keep] what the other button says, which changes nothing
 * @param {any} [options.icon] of the button
 * @param {boolean} [options.danger] whether it destroys something
 * @param {boolean} [options.wide]
 * @param {(form: Form) => Promise<void> | void} options.run carries it out; the dialog stays open
 *   where it throws a `HubError`, which is shown in the form, and closes otherwise
 */
export function formDialog({ title, body, submit, keep, icon: sign, danger, wide, run }) {
  ids += 1;
  const id = `dialog-${ids}`;
  const form = new Form();
  const heading = h('h2', { id, text: title });
  const label = h('span', { text: submit });
  const confirm = h(
    'button',
    { type: 'submit', class: danger ? 'button danger' : 'button primary' },
    sign ? icon(sign) : '',
    label,
  );
  const cancel = h('button', {
    type: 'button',
    class: 'button',
    text: keep ?? 'Cancel',
    // The harmless answer is the one at hand.
    autofocus: Boolean(danger),
    onclick: () => element.close(),
  });
  const close = h(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': 'Close', onclick: () => element.close() },
    icon('close'),
  );
  const element = h(
    'dialog',
    { class: wide ? 'dialog wide' : 'dialog', 'aria-labelledby': id },
    h(
      'form',
      { novalidate: true, onsubmit: submitted },
      h('header', { class: 'dialog-head' }, heading, close),
      h('div', { class: 'dialog-body' }, ...body, form.problems),
      h('footer', { class: 'dialog-foot' }, cancel, confirm),
    ),
  );
  // A click on the dialog's own box is one on the backdrop: its content covers the rest.
  element.addEventListener('pointerdown', (event) => event.target === element && element.close());

  async function submitted(event) {
    event.preventDefault();
    if (confirm.disabled) return;
    form.clear();
    confirm.disabled = true;
    element.setAttribute('aria-busy', 'true');
    try {
      await run(form);
      element.close();
    } catch (error) {
      if (error.name !== 'HubError') throw error;
      form.refuse(error);
    } finally {
      confirm.disabled = false;
      element.removeAttribute('aria-busy');
    }
  }

  return {
    element,
    form,
    /** @param {string} [says] another title */
    open(says = title) {
      setText(heading, says);
      form.clear();
      element.showModal();
    },
    /** @param {string} text what the button says */
    label: (text) => setText(label, text),
    close: () => element.close(),
  };
}

/**
 * A dialog that asks before something is destroyed.
 * @template T
 * @param {object} options
 * @param {string} options.submit what the button says
 * @param {string} [options.keep] what the other one says
 * @param {(subject: T) => Promise<void>} options.run
 */
export function questionDialog({ submit, keep, run }) {
  const text = h('div', { class: 'dialog-text' });
  /** @type {T} */
  let subject;
  const dialog = formDialog({
    title: '',
    body: [text],
    submit,
    keep,
    danger: true,
    run: () => run(subject),
  });
  return {
    element: dialog.element,
    /**
     * @param {T} asked what it is about
     * @param {string} title the question
     * @param {...string} paragraphs what follows from a yes
     */
    open(asked, title, ...paragraphs) {
      subject = asked;
      text.replaceChildren(...paragraphs.map((each) => h('p', { text: each })));
      dialog.open(title);
    },
  };
}

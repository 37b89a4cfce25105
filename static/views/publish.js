/**
 * The dialog that sends a test event.
 */
import { sentenceOf } from '../client/errors.js';
import { h, icon, setText } from '../elements/dom.js';
import { grouped } from '../elements/format.js';
import { SAMPLE_TYPES, sampleData } from '../state/samples.js';

/** @param {object} data */
function printed(data) {
  return JSON.stringify(data, null, 2);
}

/**
 * @param {import('./shell.js').Context} context
 * @returns {{ element: HTMLDialogElement, open: () => void }}
 */
export function publishDialog({ hub, session, merchants, stream, toasts }) {
  const type = h('input', {
    id: 'publish-type',
    class: 'field mono',
    list: 'publish-types',
    required: true,
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const types = h(
    'datalist',
    { id: 'publish-types' },
    ...SAMPLE_TYPES.map((value) => h('option', { value })),
  );
  const data = h('textarea', {
    id: 'publish-data',
    class: 'field mono',
    rows: '9',
    spellcheck: 'false',
    'aria-describedby': 'publish-problems',
  });
  const merchant = h('select', { id: 'publish-merchant', class: 'field', required: true });
  const merchantRow = h(
    'div',
    {},
    h('label', { class: 'field-label', for: 'publish-merchant', text: 'Merchant' }),
    merchant,
  );
  const problems = h('ul', {
    class: 'form-problem',
    id: 'publish-problems',
    role: 'alert',
    hidden: true,
  });
  const submit = h(
    'button',
    { type: 'submit', class: 'button primary' },
    icon('send'),
    h('span', { text: 'Send' }),
  );
  let sample = '';

  function suggest() {
    // What was written by hand is not replaced.
    if (data.value !== sample) return;
    sample = printed(sampleData(type.value));
    data.value = sample;
  }
  type.addEventListener('input', suggest);

  function complain(list) {
    problems.replaceChildren(
      ...list.map(({ pointer, message }) =>
        h('li', {}, pointer ? h('code', { text: pointer }) : '', message),
      ),
    );
    problems.hidden = list.length === 0;
  }

  async function send(event) {
    event.preventDefault();
    const parsed = parse(data.value);
    if (parsed.problem) return complain([parsed.problem]);
    complain([]);
    submit.disabled = true;
    const began = performance.now();
    try {
      const merchantId = merchantRow.hidden ? {} : { merchant_id: merchant.value };
      const ack = await hub.publish({ type: type.value.trim(), data: parsed.value, ...merchantId });
      const took = Math.max(1, Math.round(performance.now() - began));
      dialog.close();
      toasts.say(`Stored at offset #${grouped(ack.offset)}`, {
        detail: `${type.value} · acknowledged after ${took} ms`,
      });
    } catch (error) {
      const whole = [{ pointer: '', message: sentenceOf(error) }];
      const fields = error.errors.length ? error.errors : whole;
      complain(fields);
    } finally {
      submit.disabled = false;
    }
  }

  const cancel = h('button', {
    type: 'button',
    class: 'button',
    text: 'Cancel',
    onclick: () => dialog.close(),
  });
  const close = h(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': 'Close', onclick: () => dialog.close() },
    icon('close'),
  );
  const dialog = h(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'publish-title' },
    h(
      'form',
      { onsubmit: send },
      h(
        'header',
        { class: 'dialog-head' },
        h('h2', { id: 'publish-title', text: 'Send a test event' }),
        close,
      ),
      h(
        'div',
        { class: 'dialog-body' },
        h('p', {
          class: 'muted',
          text: 'It is stored like any other event, and all who follow this merchant receive it.',
        }),
        merchantRow,
        h(
          'div',
          {},
          h('label', { class: 'field-label', for: 'publish-type', text: 'Type' }),
          type,
          types,
        ),
        h(
          'div',
          {},
          h('label', { class: 'field-label', for: 'publish-data', text: 'Data (a JSON object)' }),
          data,
        ),
        problems,
      ),
      h('footer', { class: 'dialog-foot' }, cancel, submit),
    ),
  );
  // A click on the dialog's own box is one on the backdrop: its content covers the rest.
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && dialog.close());

  return {
    element: dialog,
    open() {
      merchantRow.hidden =
        session.store.value.session?.role !== 'admin' || stream.merchantId !== null;
      merchant.required = !merchantRow.hidden;
      const chosen = merchant.value;
      merchant.replaceChildren(
        ...merchants.store.value.list.map(({ id, name }) => h('option', { value: id, text: name })),
      );
      if (chosen) merchant.value = chosen;
      type.value ||= 'custom_test';
      suggest();
      complain([]);
      setText(submit.lastChild, 'Send');
      dialog.showModal();
      type.select();
    },
  };
}

/** @returns {{ value?: object, problem?: { pointer: string, message: string } }} */
function parse(text) {
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return { value };
    return { problem: { pointer: '/data', message: 'must be a JSON object' } };
  } catch (error) {
    return { problem: { pointer: '/data', message: `is not JSON: ${error.message}` } };
  }
}

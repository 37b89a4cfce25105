/**
 * The dialog that makes a webhook or changes one, and the one that shows a secret, once.
 */
import '../elements/copy-button.js';
import { formDialog } from '../elements/dialog.js';
import { h, setText } from '../elements/dom.js';
import { checkbox, field, input, textarea } from '../elements/fields.js';
import { merchantField } from '../elements/merchant-field.js';
import { typesIn } from '../state/webhooks.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {(result: any, made: boolean) => void} written what the hub has answered
 */
export function webhookDialog(context, written) {
  const { commands, toasts } = context;
  const merchant = merchantField(context);
  const url = field({
    label: 'Address',
    pointer: '/url',
    control: input({ type: 'url', placeholder: 'https://shop.example/hook', maxlength: '500' }),
    hint: 'It is called by POST, and answers 2xx within 10 seconds.',
    wide: true,
  });
  const types = field({
    label: 'Events',
    pointer: '/event_types',
    control: textarea({ rows: '3', placeholder: 'order_*\npayment_received', spellcheck: 'false' }),
    hint: 'One a line: a type, or the beginning of some and a star.',
    wide: true,
  });
  const active = checkbox('It is called');
  /** @type {any} */
  let changed = null;
  const dialog = formDialog({
    title: 'New webhook',
    submit: 'Save',
    body: [merchant.element, url.element, types.element, active.element],
    run,
  });
  dialog.form.add(merchant.field, url, types);

  async function run() {
    const params = {
      url: url.control.value.trim(),
      event_types: typesIn(types.control.value),
      is_active: active.control.checked,
    };
    if (changed === null) {
      const params_ = { ...params, ...merchant.params() };
      written(await commands.run('webhooks.create', params_), true);
      return;
    }
    const options = { ifMatch: changed.version };
    written(await commands.run('webhooks.update', { ...params, id: changed.id }, options), false);
    toasts.say('The webhook is saved');
  }

  return {
    element: dialog.element,
    /** @param {any} webhook null for a new one */
    open(webhook) {
      changed = webhook;
      merchant.show();
      merchant.element.hidden = merchant.element.hidden || webhook !== null;
      url.control.value = webhook?.url ?? '';
      types.control.value = (webhook?.event_types ?? []).join('\n');
      active.control.checked = webhook?.is_active ?? true;
      dialog.open(webhook ? 'Change the webhook' : 'New webhook');
      url.control.focus();
    },
  };
}

/** Shows a secret: the hub says it this once, and so does the page. */
export function secretDialog() {
  const code = h('code', { class: 'webhook-secret' });
  const text = h('p');
  /** @type {any} */
  const copy = h('copy-button', { label: 'Copy the secret' });
  const line = h('div', { class: 'webhook-secret-line' }, code, copy);
  const dialog = formDialog({
    title: 'The secret',
    submit: 'I have kept it',
    keep: 'Close',
    body: [text, line],
    run: () => {},
  });
  dialog.element.addEventListener('close', () => setText(code, ''));
  return {
    element: dialog.element,
    /** @param {any} webhook @param {string | null} secret null: it was told before */
    open({ url }, secret) {
      const host = new URL(url).host;
      line.hidden = secret === null;
      setText(code, secret ?? '');
      copy.text = () => code.textContent;
      setText(
        text,
        secret === null
          ? 'The connection broke before the answer, and a secret is told once. ' +
              'Rotate it to get another one.'
          : `What is posted to ${host} is signed with it. It is shown this once: keep it where ` +
              'the receiver finds it.',
      );
      dialog.open('The webhook’s secret');
    },
  };
}

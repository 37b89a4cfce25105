/**
 * The dialog that asks before a connection is ended, and says what that does.
 */
import { sentenceOf } from '../client/errors.js';
import { h, icon, setText } from '../elements/dom.js';
import { relativeTime } from '../elements/format.js';
import { DOORS } from '../state/sessions.js';

/** Nobody knows whether these were done: the list shows it. */
const UNKNOWN = new Set(['closed', 'timeout', 'unavailable', 'internal']);

/**
 * @param {import('./shell.js').Context} context
 * @returns {{ element: HTMLDialogElement,
 *   open: (session: import('../state/sessions.js').Connected) => void }}
 */
export function disconnectDialog({ sessions, merchants, toasts }) {
  /** @type {import('../state/sessions.js').Connected | null} */
  let chosen = null;
  const title = h('h2', { id: 'disconnect-title' });
  const what = h('p');
  const cancel = h('button', {
    type: 'button',
    class: 'button',
    text: 'Cancel',
    autofocus: true,
    onclick: () => dialog.close(),
  });
  const confirm = h(
    'button',
    { type: 'submit', class: 'button danger' },
    icon('unplug'),
    h('span', { text: 'Disconnect' }),
  );
  const close = h(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': 'Close', onclick: () => dialog.close() },
    icon('close'),
  );
  const body = h(
    'div',
    { class: 'dialog-body', id: 'disconnect-text' },
    what,
    h('p', {
      text:
        'The connection is closed at once (4004, removed by an operator). Programs that keep to ' +
        'the protocol do not come back by themselves. Every event that was acknowledged is kept.',
    }),
    h('p', {
      class: 'muted',
      text: 'The key stays valid: whoever holds it may connect again. To keep them out, revoke it.',
    }),
  );
  const dialog = h(
    'dialog',
    {
      class: 'dialog',
      'aria-labelledby': 'disconnect-title',
      'aria-describedby': 'disconnect-text',
    },
    h(
      'form',
      { onsubmit: disconnect },
      h('header', { class: 'dialog-head' }, title, close),
      body,
      h('footer', { class: 'dialog-foot' }, cancel, confirm),
    ),
  );
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && dialog.close());

  async function disconnect(event) {
    event.preventDefault();
    const { id, name } = chosen;
    dialog.close();
    try {
      await sessions.disconnect(id);
      toasts.say(`${name || id} was disconnected`);
    } catch (error) {
      if (error.code === 'not_found') {
        toasts.say(`${name || id} was gone already`);
        return;
      }
      const unknown = UNKNOWN.has(error.code);
      toasts.say(unknown ? `Is ${name || id} disconnected?` : `${name || id} is still connected`, {
        kind: 'problem',
        detail: unknown ? `${error.message} The list will show it.` : sentenceOf(error),
      });
    }
  }

  return {
    element: dialog,
    open(session) {
      chosen = session;
      const { name, id, role, merchant_id: merchant, door, address, connected_at: since } = session;
      setText(title, `Disconnect ${name || id}?`);
      const whose = merchant ? `the ${role} of ${merchants.name(merchant)}` : `an ${role}`;
      setText(
        what,
        `This is ${whose}, connected by ${DOORS[door] ?? door} from ${address}, ` +
          `${relativeTime(since)}.`,
      );
      dialog.showModal();
    },
  };
}

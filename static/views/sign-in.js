/**
 * The sign-in view: the link that the hub printed, or a key.
 */
import { sentenceOf } from '../client/errors.js';
import { h, icon, setText } from '../elements/dom.js';
import { brand } from './brand.js';

/**
 * @param {object} context
 * @param {import('../state/session.js').Session} context.session
 * @returns {{ element: HTMLElement, leave: () => void, focus: () => void }}
 */
export function signInView({ session }) {
  const input = h('input', {
    type: 'password',
    id: 'key',
    name: 'key',
    class: 'field mono',
    placeholder: 'hub_…',
    autocomplete: 'off',
    spellcheck: 'false',
    required: true,
    'aria-describedby': 'sign-in-problem',
  });
  const note = h('p', { class: 'form-note', id: 'sign-in-note', role: 'status' });
  const title = h('h1', { text: 'Sign in', tabindex: '-1', 'aria-describedby': 'sign-in-note' });
  const again = h('button', {
    type: 'button',
    class: 'button wide',
    text: 'Try again',
    onclick: () => session.load(),
  });
  const problem = h('p', { class: 'form-problem', id: 'sign-in-problem', role: 'alert' });
  const submit = h('button', { type: 'submit', class: 'button primary wide', text: 'Sign in' });

  function complain(text) {
    setText(problem, text);
    problem.hidden = text === '';
  }

  async function enter(event) {
    event.preventDefault();
    submit.disabled = true;
    complain('');
    try {
      await session.enter(input.value.trim());
    } catch (error) {
      const unknown = error.status === 401;
      complain(unknown ? 'The hub does not know this key.' : sentenceOf(error));
      input.select();
    } finally {
      submit.disabled = false;
    }
  }

  // A sign-out may be heard while somebody types the next key: only these lines change.
  const leave = session.store.watch(({ message, calm, unsure }) => {
    setText(note, calm ? message : '');
    note.hidden = note.textContent === '';
    complain(calm ? '' : message);
    again.hidden = !unsure;
  });

  const element = h(
    'main',
    { class: 'sign-in' },
    h(
      'div',
      { class: 'card' },
      brand(),
      title,
      note,
      h(
        'p',
        { class: 'muted' },
        'Open the link that the hub printed when it started, or paste a key. ',
        'The hub also prints where its keys are kept.',
      ),
      h(
        'form',
        { onsubmit: enter },
        h('label', { for: 'key', class: 'field-label', text: 'Key' }),
        input,
        problem,
        submit,
        again,
      ),
      h(
        'p',
        { class: 'muted fine' },
        icon('check'),
        h('span', {
          text: 'The key is exchanged for a session cookie and is not kept in this browser.',
        }),
      ),
    ),
  );
  return { element, leave, focus: () => title.focus() };
}

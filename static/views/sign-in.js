/**
 * The sign-in view: the link that the hub printed, or a key.
 */
import { h, icon, setText } from '../elements/dom.js';
import { brand } from './brand.js';

/**
 * @param {object} context
 * @param {import('../state/session.js').Session} context.session
 * @returns {HTMLElement}
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
  const { message } = session.store.value;
  const problem = h('p', {
    class: 'form-problem',
    id: 'sign-in-problem',
    role: 'alert',
    text: message,
  });
  problem.hidden = message === '';
  const submit = h('button', { type: 'submit', class: 'button primary wide', text: 'Sign in' });

  async function enter(event) {
    event.preventDefault();
    submit.disabled = true;
    problem.hidden = true;
    try {
      await session.enter(input.value.trim());
    } catch (error) {
      setText(problem, error.status === 401 ? 'The hub does not know this key.' : error.message);
      problem.hidden = false;
      input.select();
    } finally {
      submit.disabled = false;
    }
  }

  return h(
    'main',
    { class: 'sign-in' },
    h(
      'div',
      { class: 'card' },
      brand(),
      h('h1', { text: 'Sign in' }),
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
}

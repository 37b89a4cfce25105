/**
 * What is said above an editor when somebody else has changed what is written in it.
 */
import { changeList } from '../elements/change-list.js';
import { h, icon } from '../elements/dom.js';
import { grouped } from '../elements/format.js';
import { FIELD_NAMES, sameValue } from '../state/template-draft.js';

/** What differs with every version, and says nothing. */
const BOOKKEEPING = new Set(['version', 'updated_at', 'variables']);

/**
 * @param {object} on
 * @param {() => void} on.keep the person's own changes on what is there now
 * @param {() => void} on.drop them
 */
export function templateNotice({ keep, drop }) {
  const text = h('p', { class: 'notice-text' });
  const changes = h('div', { class: 'dialog-body' });
  const button = (label, onclick) =>
    h('button', { type: 'button', class: 'button small', text: label, onclick });
  const dialog = h(
    'dialog',
    { class: 'dialog wide', 'aria-labelledby': 'notice-title' },
    h(
      'header',
      { class: 'dialog-head' },
      h('h2', { id: 'notice-title', text: 'What has changed' }),
      h(
        'button',
        {
          type: 'button',
          class: 'icon-button',
          'aria-label': 'Close',
          onclick: () => dialog.close(),
        },
        icon('close'),
      ),
    ),
    changes,
    h(
      'footer',
      { class: 'dialog-foot' },
      h('button', {
        type: 'button',
        class: 'button',
        text: 'Drop mine',
        onclick() {
          dialog.close();
          drop();
        },
      }),
      h('button', {
        type: 'button',
        class: 'button primary',
        text: 'Keep mine',
        onclick() {
          dialog.close();
          keep();
        },
      }),
    ),
  );
  const choices = h(
    'div',
    { class: 'notice-choices' },
    button('See what changed', () => dialog.showModal()),
    button('Keep mine', keep),
    button('Drop mine', drop),
  );
  const element = h('div', { class: 'notice', role: 'alert', hidden: true }, text, choices);

  function say(said, choosing) {
    text.textContent = said;
    choices.hidden = !choosing;
    element.hidden = false;
  }

  return {
    element,
    dialog,
    /**
     * @param {import('../state/templates.js').Template} base what was written on
     * @param {import('../state/templates.js').Template} theirs
     * @param {string[]} mine names of fields that the person has changed
     */
    news(base, theirs, mine) {
      const fields = Object.keys(theirs).filter((name) => {
        return !BOOKKEEPING.has(name) && !sameValue(base[name], theirs[name]);
      });
      const both = fields.filter((name) => mine.includes(name)).map((name) => FIELD_NAMES[name]);
      const version = `Version ${grouped(theirs.version)} was written elsewhere. What you have`;
      const clash = both.length
        ? ` not saved is still here, and you both changed ${both.join(' and ')}.`
        : ' not saved is still here.';
      changes.replaceChildren(
        changeList(
          fields.map((name) => ({ field: name, before: base[name], after: theirs[name] })),
        ),
      );
      say(version + clash, true);
    },
    /** It was deleted elsewhere. */
    lost() {
      say(
        'This template was deleted elsewhere. What you have written is still here: Save makes it anew.',
        false,
      );
    },
    /** @param {string} said something that needs no answer */
    told(said) {
      say(said, false);
    },
    hide() {
      element.hidden = true;
      if (dialog.open) dialog.close();
    },
  };
}

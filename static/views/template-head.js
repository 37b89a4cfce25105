/**
 * The line above an editor: which template it is, in which state, and what may be done about it.
 */
import { h, icon, setText } from '../elements/dom.js';
import { grouped } from '../elements/format.js';
import { statusPill } from '../elements/status-pill.js';

/**
 * @param {import('./shell.js').Context} context
 * @param {{ save: () => void, activate: () => void, archive: () => void, remove: () => void }} on
 */
export function templateHead({ merchants, session, may }, on) {
  const admin = session.store.value.session.role === 'admin';
  const title = h('h2', { class: 'editor-title', tabindex: '-1' });
  const pill = statusPill('draft');
  const facts = h('span', { class: 'editor-facts' });
  const link = h(
    'a',
    { class: 'icon-button', 'aria-label': 'All templates', title: 'All templates' },
    icon('left'),
  );
  const action = (text, sign, onclick, kind = '') => {
    const label = h('span', { text });
    const button = { type: 'button', class: `button ${kind}`, onclick };
    return { element: h('button', button, icon(sign), label), label };
  };
  const remove = action('Delete', 'trash', on.remove);
  const archive = action('Archive', 'pause', on.archive);
  const activate = action('Activate', 'play', on.activate);
  const save = action('Save', 'check', on.save, 'primary');
  const all = may('templates.update') ? [remove, archive, activate, save] : [];
  const buttons = h('div', { class: 'editor-actions' }, ...all.map((each) => each.element));

  return {
    element: h(
      'header',
      { class: 'editor-head' },
      link,
      h('div', { class: 'editor-name' }, title, pill, facts),
      buttons,
    ),
    focus: () => title.focus(),
    /** @param {string} href the way back to the list */
    back: (href) => link.setAttribute('href', href),
    /**
     * @param {object} now
     * @param {import('../state/templates.js').Template | null} now.base as it is stored
     * @param {string} now.name as it is written
     * @param {boolean} now.there whether there is anything to be seen of it
     * @param {boolean} now.unsaved
     * @param {boolean} now.busy whether a command is under way
     */
    show({ base, name, there, unsaved, busy }) {
      setText(title, there ? name || 'New template' : 'Template');
      pill.hidden = base === null;
      if (base) pill.show(base.status);
      const said = [
        base && admin && merchants.name(base.merchant_id),
        base && `version ${grouped(base.version)}`,
        unsaved && 'not saved',
      ];
      setText(facts, there ? said.filter(Boolean).join(' · ') : '');
      buttons.hidden = !there;
      setText(activate.label, unsaved ? 'Save and activate' : 'Activate');
      activate.element.hidden = base?.status === 'active';
      archive.element.hidden = base?.status !== 'active';
      remove.element.hidden = base === null;
      save.element.disabled = busy || !unsaved;
      for (const each of [remove, archive, activate]) each.element.disabled = busy;
    },
  };
}

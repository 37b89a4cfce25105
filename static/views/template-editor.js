/**
 * One template: its fields with a live preview, its formats, its versions.
 *
 * What a person writes is theirs until they save it: a change from elsewhere is told, and taken in
 * only where nothing was written here. A save says which version it was made of; the hub refuses it
 * where there is a later one, and the person decides what becomes of the two.
 */
import '../elements/status-pill.js';
import { sentenceOf } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';
import { questionDialog } from '../elements/dialog.js';
import { h, icon, setText } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { grouped } from '../elements/format.js';
import { statusPill } from '../elements/status-pill.js';
import { tabs } from '../elements/tabs.js';
import { Followed } from '../state/followed.js';
import { LivePreview } from '../state/live-preview.js';
import {
  changedFields,
  contentOf,
  draftOf,
  draftValues,
  rebased,
  storedOf,
  updateOf,
} from '../state/template-draft.js';
import { templateForm } from './template-form.js';
import { templateFormats } from './template-formats.js';
import { templateNotice } from './template-notice.js';
import { templatePreview } from './template-preview.js';
import { templateVersions } from './template-versions.js';

/** Its address while it has no id yet. */
export const NEW = 'new';

/**
 * @typedef {import('../state/templates.js').Template} Template
 *
 * @param {import('./shell.js').Context} context
 * @param {object} on
 * @param {(template: Template) => void} on.written
 * @param {(id: string) => void} on.created its address is another
 * @param {(id: string) => void} on.removed
 * @param {() => string} on.back the address of the list
 */
export function templateEditor(context, { written, created, removed, back }) {
  const { hub, commands, connection, merchants, session, toasts, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const editable = may('templates.update');
  let id = '';
  /** The id that a new one gets: the same with every press of the button. */
  let newId = '';
  /** What the draft was made of. @type {Template | null} */
  let base = null;
  /** What somebody else has made of it meanwhile. @type {Template | null} */
  let theirs = null;
  let busy = false;
  /** @type {import('../state/followed.js').Followed<{ template: Template }> | null} */
  let followed = null;

  const preview = new LivePreview(hub);
  const form = templateForm(context, changed);
  const aside = templatePreview(context, preview, (pointer) => {
    panels.show('edit');
    form.goTo(pointer);
  });
  const formats = templateFormats(preview);
  const versions = templateVersions(context, (number) => {
    if (dirty()) restoring.open(number, `Restore version ${number}?`, 'What you have not saved is lost.');
    else attempt(() => restore(number));
  });
  const edit = h('div', { class: 'template-edit' }, form.element, aside.element);
  const panels = tabs(
    'Template',
    [
      { name: 'edit', text: 'Edit', panel: edit },
      { name: 'formats', text: 'Formats', panel: formats.element },
      { name: 'versions', text: 'Versions', panel: versions.element },
    ],
    (name) => {
      if (name === 'versions' && base) versions.show(base.id);
      if (name === 'edit') mark();
      toPreview.hidden = name !== 'edit' || !loaded();
    },
  );
  const notice = templateNotice({ keep: keepMine, drop: takeTheirs });
  const title = h('h2', { class: 'editor-title', tabindex: '-1' });
  const pill = statusPill('draft');
  const facts = h('span', { class: 'editor-facts' });
  const link = h('a', { class: 'icon-button', 'aria-label': 'All templates', title: 'All templates' });
  link.append(icon('left'));
  const action = (text, sign, onclick, kind = '') => {
    const label = h('span', { text });
    const element = h('button', { type: 'button', class: `button ${kind}`, onclick }, icon(sign), label);
    return { element, label };
  };
  const save = action('Save', 'check', () => attempt(saved), 'primary');
  const activate = action('Activate', 'play', () => attempt(activated));
  const archive = action('Archive', 'pause', () => attempt(archived));
  const remove = action('Delete', 'trash', () =>
    deleting.open(
      base,
      `Delete ${base.name}?`,
      'Its versions go with it, and bots that ask for it find nothing.',
      'To send it no longer, archive it instead.',
    ),
  );
  // Where the phone is below the fields, it is far away.
  const toPreview = h('button', {
    type: 'button',
    class: 'button small to-preview',
    text: 'See the preview',
    onclick: () => aside.focus(),
  });
  const state = h('p', { class: 'editor-note muted', role: 'status' });
  const deleting = questionDialog({ submit: 'Delete', keep: 'Keep it', run: deleted });
  const restoring = questionDialog({ submit: 'Restore', run: (number) => restore(number) });
  const leaving = questionDialog({
    submit: 'Leave without saving',
    keep: 'Stay here',
    run: async (go) => go(),
  });
  const buttons = h(
    'div',
    { class: 'editor-actions' },
    ...(editable ? [remove, archive, activate, save].map((each) => each.element) : []),
  );
  const content = h('div', { class: 'editor-content' }, edit, formats.element, versions.element);
  const element = h(
    'section',
    { class: 'template-editor', 'aria-label': 'Template', hidden: true },
    h('header', { class: 'editor-head' }, link, h('div', { class: 'editor-name' }, title, pill, facts), buttons),
    notice.element,
    h('div', { class: 'editor-ways' }, panels.element, toPreview),
    state,
    content,
    deleting.element,
    restoring.element,
    leaving.element,
    notice.dialog,
    form.dialog,
  );
  element.addEventListener('keydown', (event) => {
    if (event.key !== 's' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (editable && dirty()) attempt(saved);
  });
  const warn = (event) => dirty() && event.preventDefault();
  window.addEventListener('beforeunload', warn);

  const loaded = () => base !== null || id === NEW;
  function dirty() {
    return editable && loaded() && changedFields(form.draft, base ?? {}).length > 0;
  }

  function changed() {
    draw();
    ask();
  }

  function ask(again = false) {
    const { draft } = form;
    const merchant = admin ? (base ? { merchant_id: base.merchant_id } : form.merchant.params()) : {};
    preview.show({ template: contentOf(draft), variables: draftValues(draft), ...merchant }, again);
  }

  function mark() {
    form.mark(preview.store.value.errors);
  }

  function draw() {
    const there = loaded();
    content.hidden = panels.element.hidden = !there;
    toPreview.hidden = !there || edit.hidden;
    const { problem = '', gone = false } = followed?.store.value ?? {};
    setText(state, there ? '' : gone ? 'This template is not there any more.' : problem || waiting());
    state.hidden = there;
    const unsaved = dirty();
    setText(title, there ? form.draft.name || 'New template' : 'Template');
    pill.hidden = base === null;
    if (base) pill.show(base.status);
    const name = base && admin ? merchants.name(base.merchant_id) : '';
    const version = base ? `version ${grouped(base.version)}` : '';
    const mine = unsaved ? 'not saved' : '';
    setText(facts, there ? [name, version, mine].filter(Boolean).join(' · ') : '');
    buttons.hidden = !there;
    save.element.disabled = busy || !unsaved;
    setText(activate.label, unsaved ? 'Save and activate' : 'Activate');
    activate.element.hidden = base?.status === 'active';
    activate.element.disabled = busy;
    archive.element.hidden = base?.status !== 'active';
    archive.element.disabled = remove.element.disabled = busy;
    remove.element.hidden = base === null;
    element.toggleAttribute('data-dirty', unsaved);
    panels.element.querySelector('[data-tab=versions]').hidden = base === null;
  }

  function waiting() {
    return connection.value.state === 'live' ? 'Loading the template…' : 'Not connected.';
  }

  /** @param {Template} template what the draft is made of from here on */
  function take(template) {
    base = template;
    theirs = null;
    notice.hide();
    written(template);
    draw();
  }

  /** What was read is shown, unless something was written here. */
  function received({ value, gone }) {
    if (busy) return;
    if (gone && base) {
      if (dirty()) lost();
      else {
        base = null;
        draw();
      }
    } else if (value && (!base || value.template.version > base.version)) {
      const { template } = value;
      if (!base || !dirty()) show(template, base !== null);
      else if (theirs?.version !== template.version) {
        theirs = template;
        notice.news(base, theirs, changedFields(form.draft, base));
      }
    }
    draw();
  }

  function show(template, elsewhere) {
    take(template);
    form.load(draftOf(template), template.merchant_id);
    ask(elsewhere);
    if (elsewhere) notice.told(`Version ${grouped(template.version)} was written elsewhere.`);
    draw();
  }

  /** It was deleted, and what is written here is all that is left of it. */
  function lost() {
    base = null;
    theirs = null;
    newId = uuid7();
    stop();
    id = NEW;
    notice.lost();
  }

  function keepMine() {
    if (!theirs) return;
    const draft = rebased(form.draft, base, theirs);
    take(theirs);
    form.load(draft, base.merchant_id);
    changed();
    form.focus();
  }

  function takeTheirs() {
    if (!theirs) return;
    show(theirs, false);
    form.focus();
  }

  /** One command at a time; what is refused is said where it belongs. */
  async function attempt(work) {
    if (busy) return;
    busy = true;
    form.form.clear();
    draw();
    try {
      await work();
    } catch (error) {
      if (error.name !== 'HubError') throw error;
      refused(error);
    } finally {
      busy = false;
      element.removeAttribute('aria-busy');
      draw();
    }
    if (followed) received(followed.store.value);
  }

  function refused(error) {
    if (error.code === 'precondition_failed') followed?.touch();
    panels.show('edit');
    form.tellAll();
    form.form.refuse(error);
    const detail = error.errors.length ? '' : sentence(sentenceOf(error));
    toasts.say('It was not saved', { kind: 'problem', detail });
  }

  async function saved() {
    if (!dirty() && base) return;
    form.tellAll();
    const { draft } = form;
    if (base) {
      const params = { id: base.id, ...updateOf(draft, base) };
      take((await commands.run('templates.update', params, { ifMatch: base.version })).template);
    } else {
      const params = { id: newId, ...form.merchant.params(), ...storedOf(draft) };
      const { template } = await commands.run('templates.create', params);
      id = template.id;
      form.merchant.element.hidden = true;
      take(template);
      follow();
      created(template.id);
    }
    toasts.say(`${base.name} was saved`);
  }

  async function activated() {
    await saved();
    const asked = [{ id: base.id }, { ifMatch: base.version }];
    take((await commands.run('templates.activate', ...asked)).template);
    toasts.say(`${base.name} is active`);
  }

  async function archived() {
    const asked = [{ id: base.id }, { ifMatch: base.version }];
    take((await commands.run('templates.archive', ...asked)).template);
    toasts.say(`${base.name} is archived`);
  }

  async function deleted({ id: gone, name, version }) {
    await commands.run('templates.delete', { id: gone }, { ifMatch: version });
    stop();
    base = null;
    removed(gone);
    toasts.say(`${name} was deleted`);
  }

  async function restore(number) {
    const params = { id: base.id, number };
    const { template } = await commands.run('templates.restore', params, { ifMatch: base.version });
    show(template, false);
    toasts.say(`${template.name} says again what it said in version ${number}`);
  }

  function follow() {
    const own = id;
    followed = new Followed(hub, {
      read: () => hub.call('templates.get', { id: own }),
      concerns: ({ subject }) => subject === `template/${own}`,
    });
    followed.store.watch(received);
  }

  function stop() {
    followed?.stop();
    followed = null;
    versions.stop();
  }

  /** Whose a new one is, an admin says. */
  function offerMerchants() {
    if (id === NEW && base === null) form.merchant.show();
  }

  const ends = [
    preview.store.watch(mark),
    connection.watch(draw),
    merchants.store.watch(() => {
      offerMerchants();
      draw();
    }),
    aside.leave,
    formats.leave,
    () => window.removeEventListener('beforeunload', warn),
    () => preview.stop(),
    stop,
  ];

  return {
    element,
    get merchantId() {
      return base?.merchant_id ?? null;
    },
    /** @param {string} wanted an id, `new`, or empty: none is shown */
    open(wanted) {
      if (wanted === id) return offerMerchants();
      stop();
      id = wanted;
      base = theirs = null;
      notice.hide();
      element.hidden = id === '';
      if (!id) return;
      link.setAttribute('href', back());
      panels.show('edit');
      if (id === NEW) {
        newId = uuid7();
        form.load(draftOf());
        ask(true);
        draw();
        form.focus();
      } else {
        follow();
        draw();
        title.focus();
      }
    },
    dirty,
    /** Asks whether what is not saved may be lost. @param {() => void} go */
    ask(go) {
      leaving.open(go, 'Leave without saving?', 'What you have written here is lost.');
    },
    leave() {
      for (const end of ends) end();
    },
  };
}


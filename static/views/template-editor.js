/**
 * One template: its fields with a live preview, its formats, its versions.
 *
 * What a person writes is theirs until they save it: a change from elsewhere is told, and taken in
 * only where nothing was written here. A save says which version it was made of; the hub refuses it
 * where there is a later one, and the person decides what becomes of the two.
 */
import { sentenceOf } from '../client/errors.js';
import { uuid7 } from '../client/ids.js';
import { questionDialog } from '../elements/dialog.js';
import { h, setText } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { grouped } from '../elements/format.js';
import { tabs } from '../elements/tabs.js';
import { Followed } from '../state/followed.js';
import { LivePreview } from '../state/live-preview.js';
import {
  changedFields,
  contentOf,
  draftOf,
  draftValues,
  rebased,
} from '../state/template-draft.js';
import { templateCommands } from './template-commands.js';
import { templateForm } from './template-form.js';
import { templateFormats } from './template-formats.js';
import { templateHead } from './template-head.js';
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
 * @param {(id: string) => void} on.renamed it has another address, and is still the same
 * @param {(id: string) => void} on.removed
 * @param {() => string} on.back the address of the list
 */
export function templateEditor(context, { written, renamed, removed, back }) {
  const { hub, connection, merchants, session, toasts, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const editable = may('templates.update');
  const act = templateCommands(context);
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
    if (dirty())
      restoring.open(number, `Restore version ${number}?`, 'What you have not saved is lost.');
    else attempt(() => restored(number));
  });
  const edit = h('div', { class: 'template-edit' }, form.element, aside.element);
  const panels = tabs(
    'Template',
    [
      { name: 'edit', text: editable ? 'Edit' : 'Template', panel: edit },
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
  const head = templateHead(context, {
    save: () => attempt(saved),
    activate: () => attempt(activated),
    archive: () => attempt(async () => take(await act.archive(base))),
    remove: () =>
      deleting.open(
        base,
        `Delete ${base.name}?`,
        'Its versions go with it, and bots that ask for it find nothing.',
        'To send it no longer, archive it instead.',
      ),
  });
  // Where the phone is below the fields, it is far away.
  const toPreview = h('button', {
    type: 'button',
    class: 'button small to-preview',
    text: 'See the preview',
    onclick: () => aside.focus(),
  });
  const state = h('p', { class: 'editor-note muted', role: 'status' });
  const deleting = questionDialog({
    submit: 'Delete',
    keep: 'Keep it',
    run: (template) => alone(() => deleted(template)),
  });
  const restoring = questionDialog({
    submit: 'Restore',
    run: (number) => alone(() => restored(number)),
  });
  const leaving = questionDialog({
    submit: 'Leave without saving',
    keep: 'Stay here',
    run: async (go) => go(),
  });
  const content = h('div', { class: 'editor-content' }, edit, formats.element, versions.element);
  const element = h(
    'section',
    { class: 'template-editor', 'aria-label': 'Template', hidden: true },
    head.element,
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
    const merchant = admin
      ? base
        ? { merchant_id: base.merchant_id }
        : form.merchant.params()
      : {};
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
    setText(
      state,
      there ? '' : gone ? 'This template is not there any more.' : problem || waiting(),
    );
    state.hidden = there;
    const { name } = form.draft;
    head.show({ base, name, there, unsaved: dirty(), busy });
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
    const whose = base.merchant_id;
    base = theirs = null;
    newId = uuid7();
    stop();
    id = NEW;
    renamed(NEW);
    offerMerchants();
    form.merchant.field.control.value = whose;
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

  /** One command at a time: what is read meanwhile may be what it writes, and waits. */
  async function alone(work) {
    if (busy) return;
    busy = true;
    form.form.clear();
    draw();
    try {
      await work();
    } finally {
      busy = false;
      draw();
    }
    if (followed) received(followed.store.value);
  }

  /** What is refused is said where it belongs. */
  async function attempt(work) {
    try {
      await alone(work);
    } catch (error) {
      if (error.name !== 'HubError') throw error;
      refused(error);
    }
  }

  function refused(error) {
    // What is there by now is read, and told.
    if (error.code === 'precondition_failed') followed?.touch();
    panels.show('edit');
    form.tellAll();
    form.form.refuse(error);
    const detail = error.errors.length ? '' : sentence(sentenceOf(error));
    toasts.say('It was not saved', { kind: 'problem', detail });
  }

  async function saved() {
    if (base && !dirty()) return;
    form.tellAll();
    if (base) return take(await act.update(base, form.draft));
    const template = await act.create({ id: newId, ...form.merchant.params() }, form.draft);
    id = template.id;
    form.merchant.element.hidden = true;
    take(template);
    follow();
    renamed(template.id);
  }

  async function activated() {
    await saved();
    take(await act.activate(base));
  }

  async function deleted(template) {
    await act.remove(template);
    stop();
    base = null;
    removed(template.id);
  }

  async function restored(number) {
    show(await act.restore(base, number), false);
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
      head.back(back());
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
        head.focus();
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

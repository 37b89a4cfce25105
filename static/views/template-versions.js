/**
 * What a template was: its versions, what differs between any two, and the way back to one.
 */
import '../elements/status-pill.js';
import { changeList } from '../elements/change-list.js';
import { sentenceOf } from '../client/errors.js';
import { h, icon, setText } from '../elements/dom.js';
import { sentence } from '../elements/fields.js';
import { fullTime, grouped, shortTime } from '../elements/format.js';
import { Keyed } from '../elements/keyed.js';
import { statusPill } from '../elements/status-pill.js';
import { Followed } from '../state/followed.js';

const PAGE = 100;
/** What changed is told in words before what follows from it. */
const DERIVED = new Set(['variables']);

/**
 * @param {import('./shell.js').Context} context
 * @param {(version: number) => void} restore the person wants one back
 */
export function templateVersions({ hub, may }, restore) {
  const restorable = may('templates.restore');
  /** @type {import('../state/followed.js').Followed<any> | null} */
  let followed = null;
  let id = '';
  let wanted = PAGE;
  /** The two that are compared: the older and the newer column. */
  let from = 0;
  let to = 0;
  let chosen = false;
  let compared = '';
  const list = h('ol', { class: 'versions', 'aria-label': 'Versions, newest first' });
  const rows = new Keyed(list, versionRow);
  const note = h('p', { class: 'muted', role: 'status' });
  const title = h('h3', {});
  const diff = h('div', { class: 'version-diff' });
  const more = h('button', {
    type: 'button',
    class: 'button small',
    text: 'Older versions',
    onclick() {
      wanted += PAGE;
      followed?.touch();
    },
  });
  const element = h(
    'div',
    { class: 'template-versions' },
    h(
      'section',
      { class: 'version-list', 'aria-label': 'Versions' },
      note,
      h(
        'div',
        { class: 'version-head', 'aria-hidden': 'true' },
        h('span', { text: 'From' }),
        h('span', { text: 'To' }),
      ),
      list,
      more,
    ),
    h('section', { class: 'version-compare', 'aria-live': 'polite' }, title, diff),
  );

  function versionRow(key) {
    const number = Number(key);
    const choice = (name, label, choose) => {
      const control = h('input', { type: 'radio', name, value: key, 'aria-label': label });
      control.addEventListener('change', () => {
        chosen = true;
        choose();
        draw();
      });
      return control;
    };
    const before = choice('version-from', `Compare from version ${key}`, () => (from = number));
    const after = choice('version-to', `Compare to version ${key}`, () => (to = number));
    const pill = statusPill('draft');
    const name = h('span', { class: 'version-name' });
    const when = h('time', { class: 'second' });
    const back = h(
      'button',
      {
        type: 'button',
        class: 'button small',
        'aria-label': `Restore version ${key}`,
        onclick: () => restore(number),
      },
      icon('refresh'),
      h('span', { text: 'Restore' }),
    );
    return {
      element: h(
        'li',
        { class: 'version', 'data-version': key },
        h('span', { class: 'version-choice' }, before, after),
        h('span', { class: 'version-what' }, name, when),
        pill,
        restorable && back,
      ),
      show({ version, current }) {
        setText(name, `Version ${grouped(version.version)}`);
        pill.show(version.status);
        setText(when, shortTime(version.changed_at));
        when.title = fullTime(version.changed_at);
        when.dateTime = version.changed_at;
        before.checked = version.version === from;
        after.checked = version.version === to;
        back.hidden = current;
      },
    };
  }

  function draw() {
    const { value, problem } = followed?.store.value ?? { value: null, problem: '' };
    setText(note, value ? 'Choose two to compare them.' : problem || 'Loading the versions…');
    more.hidden = !value?.next;
    if (!value) return rows.show([]);
    const { versions } = value;
    const newest = versions[0]?.version ?? 0;
    if (!chosen) {
      to = newest;
      from = versions[1]?.version ?? newest;
    }
    rows.show(
      versions.map((version) => [
        String(version.version),
        { version, current: version.version === newest },
      ]),
    );
    compare();
  }

  async function compare() {
    const key = `${id} ${from} ${to}`;
    if (key === compared || !from) return;
    compared = key;
    const about = { id, from: Math.min(from, to), to: Math.max(from, to) };
    if (from === to) {
      setText(title, `Version ${grouped(to)}`);
      diff.replaceChildren(h('p', { class: 'muted', text: 'There is nothing to compare it to.' }));
      return;
    }
    try {
      const { changes } = await hub.call('templates.diff', about);
      if (key !== compared) return;
      setText(title, `From version ${grouped(about.from)} to ${grouped(about.to)}`);
      diff.replaceChildren(changeList(ordered(changes)));
    } catch (error) {
      if (key !== compared) return;
      // A connection that comes back reads the versions again, and then this.
      compared = '';
      if (error.code === 'closed') return;
      diff.replaceChildren(
        h('p', { class: 'form-problem', role: 'alert', text: sentence(sentenceOf(error)) }),
      );
    }
  }

  function stop() {
    followed?.stop();
    followed = null;
  }

  return {
    element,
    /** @param {string} of the template's id */
    show(of) {
      if (of === id && followed) return;
      stop();
      id = of;
      wanted = PAGE;
      from = to = 0;
      chosen = false;
      compared = '';
      title.textContent = '';
      diff.replaceChildren();
      followed = new Followed(hub, {
        read: () => hub.call('templates.versions', { id, limit: wanted }),
        concerns: ({ subject }) => subject === `template/${id}`,
      });
      followed.store.watch(draw);
    },
    stop,
  };
}

/** @param {any[]} changes @returns {any[]} what follows from the others last */
function ordered(changes) {
  return [...changes].sort((a, b) => Number(DERIVED.has(a.field)) - Number(DERIVED.has(b.field)));
}

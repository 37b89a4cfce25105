/**
 * `<job-list>`: jobs in lines: what each does, how far it is, and a box to choose it by.
 *
 * Fires `open` (detail: the job's id) and `select` (detail: the chosen ids).
 */
import { aboutJob, stateText, taskTitle } from '../state/jobs.js';
import { queueTitle } from '../state/queues.js';
import { h, setText } from './dom.js';
import { fullTime, relativeTime } from './format.js';
import { Keyed } from './keyed.js';
import './progress-bar.js';
import './status-pill.js';

const HEAD = ['Job', 'State', 'Progress', 'Attempts', 'Changed'];

export class JobList extends HTMLElement {
  /** @type {Set<string>} */
  #chosen = new Set();
  #selectable = false;
  #shown = [];
  #all = h('input', {
    type: 'checkbox',
    'aria-label': 'Choose all that are shown',
    onchange: () => this.#chooseAll(this.#all.checked),
  });
  #rows = h('ul', { class: 'job-rows', role: 'list', 'aria-label': 'Jobs' });
  #list = new Keyed(this.#rows, (id) =>
    jobRow({
      open: () => this.#fire('open', id),
      choose: (yes) => this.#choose(id, yes),
    }),
  );

  connectedCallback() {
    if (this.firstChild) return;
    const head = h(
      'div',
      { class: 'job-head' },
      h('span', { class: 'job-box' }, this.#all),
      h(
        'div',
        { class: 'job-titles', 'aria-hidden': 'true' },
        ...HEAD.map((text) => h('span', { text })),
      ),
    );
    this.append(head, this.#rows);
  }

  /** @returns {string[]} the ids of those that are chosen */
  get chosen() {
    return [...this.#chosen];
  }

  /** @param {boolean} selectable whether who looks may do something with them */
  allow(selectable) {
    this.#selectable = selectable;
    this.classList.toggle('selectable', selectable);
  }

  /** None is chosen any more. */
  clear() {
    this.#chosen.clear();
    this.#fire('select', []);
  }

  /**
   * @param {import('../state/jobs.js').Job[]} jobs
   * @param {object} how
   * @param {string} how.opened the id of the one whose details are shown
   * @param {(id: string) => string} how.merchantName empty where only one is shown
   * @param {number} how.now ms
   */
  show(jobs, { opened, merchantName, now }) {
    this.#shown = jobs.map(({ id }) => id);
    const there = new Set(this.#shown);
    for (const id of this.#chosen) if (!there.has(id)) this.#chosen.delete(id);
    this.#all.checked = jobs.length > 0 && this.#chosen.size === jobs.length;
    this.#all.indeterminate = this.#chosen.size > 0 && this.#chosen.size < jobs.length;
    this.#list.show(
      jobs.map((job) => [
        job.id,
        {
          job,
          now,
          opened: job.id === opened,
          chosen: this.#chosen.has(job.id),
          selectable: this.#selectable,
          merchant: merchantName(job.merchant_id),
        },
      ]),
    );
  }

  #choose(id, yes) {
    if (yes) this.#chosen.add(id);
    else this.#chosen.delete(id);
    this.#fire('select', this.chosen);
  }

  #chooseAll(yes) {
    this.#chosen = new Set(yes ? this.#shown : []);
    this.#fire('select', this.chosen);
  }

  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function jobRow({ open, choose }) {
  const box = h('input', { type: 'checkbox', onchange: () => choose(box.checked) });
  const name = h('span', { class: 'job-name' });
  const second = h('span', { class: 'second' });
  const pill = h('status-pill');
  const bar = h('progress-bar');
  const note = h('span', { class: 'second job-note' });
  const attempts = h('span', { class: 'job-attempts number' });
  const time = h('time', { class: 'job-time' });
  const main = h(
    'button',
    { type: 'button', class: 'job-main', onclick: open },
    h('span', { class: 'job-what' }, name, second),
    h('span', { class: 'job-state' }, pill),
    h('span', { class: 'job-progress' }, bar, note),
    attempts,
    time,
  );
  const cell = h('label', { class: 'job-box' }, box);
  const element = h('li', { class: 'job-row' }, cell, main);
  return {
    element,
    show({ job, now, opened, chosen, selectable, merchant }) {
      element.classList.toggle('opened', opened);
      cell.hidden = !selectable;
      box.checked = chosen;
      box.setAttribute('aria-label', `Choose ${taskTitle(job.name)} ${job.id}`);
      const about = aboutJob(job);
      setText(name, taskTitle(job.name));
      setText(second, [merchant, queueTitle(job.queue), about].filter(Boolean).join(' · '));
      pill.show(toneOf(job), stateText(job, now));
      const moving = job.state === 'running' || job.awaits === 'children';
      bar.hidden = !moving;
      if (moving) bar.show(job.progress, `Progress of ${taskTitle(job.name)}`);
      const told = job.state === 'succeeded' ? '' : job.error;
      const waits = job.awaits === 'bot';
      setText(note, (moving ? job.note : told || (waits ? '' : job.note)) ?? '');
      note.classList.toggle('job-error', !moving && Boolean(told));
      // What was prepared and waits was not tried yet.
      const tried = job.attempt > 0 && !(waits && !told);
      setText(attempts, tried ? `${job.attempt} of ${job.max_attempts}` : '');
      setText(time, relativeTime(job.updated_at, now));
      time.dateTime = job.updated_at;
      time.title = fullTime(job.updated_at);
    },
  };
}

/** A job that waits for its parts is under way, whatever its row says. */
function toneOf({ state, awaits }) {
  return state === 'queued' && awaits === 'children' ? 'running' : state;
}

customElements.define('job-list', JobList);

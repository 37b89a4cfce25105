/**
 * `<queue-cards>`: the four queues, each with what waits in it and how fast it goes.
 *
 * Fires `choose` (detail: the queue's name, empty for all) and `pause` (detail: { name, paused }).
 */
import { queueTitle } from '../state/queues.js';
import { h, setIcon, setText } from './dom.js';
import { compact, duration, milliseconds } from './format.js';
import { Keyed } from './keyed.js';

/** What is counted on a card: its word, and what is worth a look when it is not zero. */
const COUNTS = [
  ['waiting', 'waiting', ''],
  ['active', 'active', 'busy'],
  ['delayed', 'delayed', ''],
  ['dead', 'dead', 'bad'],
];

export class QueueCards extends HTMLElement {
  #changeable = false;
  #items = new Keyed(this, (name) =>
    queueCard({
      choose: (chosen) => this.#fire('choose', chosen ? '' : name),
      pause: (paused) => this.#fire('pause', { name, paused }),
      changeable: this.#changeable,
    }),
  );

  /** @param {boolean} changeable whether who looks may let a queue stand still */
  allow(changeable) {
    this.#changeable = changeable;
  }

  /**
   * @param {import('../state/queues.js').Queue[]} queues
   * @param {string} chosen the queue whose jobs are shown
   */
  show(queues, chosen) {
    this.#items.show(queues.map((queue) => [queue.name, { queue, chosen: queue.name === chosen }]));
  }

  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function queueCard({ choose, pause, changeable }) {
  let chosenNow = false;
  let pausedNow = false;
  const title = h('span', { class: 'queue-title' });
  const state = h('span', { class: 'queue-state' });
  const counts = COUNTS.map(([key, word, tone]) => {
    const number = h('span', { class: 'queue-number number' });
    const element = h('span', { class: 'queue-count' }, number, ' ', h('span', { text: word }));
    return { key, tone, number, element };
  });
  const pace = h('span', { class: 'queue-pace number' });
  const main = h(
    'button',
    {
      type: 'button',
      class: 'queue-main',
      'aria-pressed': 'false',
      onclick: () => choose(chosenNow),
    },
    h('span', { class: 'queue-head' }, title, state),
    h('span', { class: 'queue-counts' }, ...counts.map(({ element }) => element)),
    pace,
  );
  const toggle = h('button', {
    type: 'button',
    class: 'icon-button queue-toggle',
    onclick: () => pause(!pausedNow),
  });
  const element = h('div', { class: 'queue-card' }, main, changeable && toggle);
  return {
    element,
    /** @param {{ queue: import('../state/queues.js').Queue, chosen: boolean }} shown */
    show({ queue, chosen }) {
      chosenNow = chosen;
      pausedNow = queue.paused;
      const name = queueTitle(queue.name);
      element.classList.toggle('chosen', chosen);
      element.dataset.queue = queue.name;
      element.classList.toggle('paused', queue.paused);
      main.setAttribute('aria-pressed', String(chosen));
      setText(title, name);
      setText(state, stateOf(queue));
      for (const { key, tone, number, element: each } of counts) {
        setText(number, compact(queue[key]));
        each.dataset.tone = queue[key] > 0 ? tone : '';
      }
      setText(pace, paceOf(queue));
      setIcon(toggle, queue.paused ? 'play' : 'pause');
      toggle.setAttribute('aria-label', `${queue.paused ? 'Resume' : 'Pause'} ${name}`);
      toggle.title = queue.paused ? 'Resume' : 'Pause';
    },
  };
}

function stateOf({ paused, workers, awaiting_bot: bots }) {
  if (paused) return 'paused';
  if (workers === 0) return 'no worker';
  return bots > 0 ? `${compact(bots)} wait for a bot` : '';
}

function paceOf({ per_minute: rate, p95_ms: p95, oldest_seconds: oldest }) {
  const parts = [`${compact(Math.round(rate))} / min`];
  if (Number.isFinite(p95) && p95 !== null) parts.push(`p95 ${milliseconds(p95)}`);
  if (Number.isFinite(oldest) && oldest !== null && oldest >= 1) {
    parts.push(`oldest ${duration(oldest)}`);
  }
  return parts.join(' · ');
}

customElements.define('queue-cards', QueueCards);

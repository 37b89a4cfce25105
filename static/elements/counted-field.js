/**
 * A field whose text has a limit: how long it is stands at its label, and what is too much is said
 * before anybody asks the hub.
 */
import { h, setText } from './dom.js';
import { field } from './fields.js';
import { grouped } from './format.js';

/** So much of the limit is left that somebody should know. */
const NEAR = 0.1;

/**
 * @typedef {import('./fields.js').Field & { count: (length: number, limit: number) => void,
 *   mark: (message: string) => void, over: () => boolean }} CountedField
 *
 * @param {object} options as of `field`
 * @param {string} options.label
 * @param {string} options.pointer
 * @param {any} options.control
 * @param {string} [options.hint]
 * @param {boolean} [options.wide]
 * @returns {CountedField}
 */
export function countedField(options) {
  const made = field(options);
  const counter = h('span', { class: 'counter number', 'aria-hidden': 'true' });
  // What is typed runs; only that it comes to an end, or went beyond it, is worth saying aloud.
  const spoken = h('span', { class: 'unseen', role: 'status' });
  const label = made.element.querySelector('label');
  const head = h('div', { class: 'counted-head' });
  label.replaceWith(head);
  head.append(label, counter, spoken);
  let tooLong = '';
  let fault = '';

  function show() {
    made.complain(tooLong || fault);
  }
  options.control.addEventListener('input', () => {
    fault = '';
  });

  return {
    ...made,
    complain(message) {
      fault = message;
      show();
    },
    /** What is wrong with it apart from its length. */
    mark(message) {
      if (message === fault) return;
      fault = message;
      show();
    },
    over: () => tooLong !== '',
    count(length, limit) {
      const left = limit - length;
      setText(counter, `${grouped(length)} / ${grouped(limit)}`);
      counter.dataset.level = left < 0 ? 'over' : left <= limit * NEAR ? 'near' : '';
      const said = left < 0 ? `${grouped(-left)} too many` : `${grouped(left)} left`;
      setText(spoken, left <= limit * NEAR ? `${options.label}: ${said}` : '');
      tooLong = left < 0 ? `${grouped(length)} characters are ${grouped(-left)} too many` : '';
      show();
    },
  };
}

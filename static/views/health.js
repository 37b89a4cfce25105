/**
 * How the hub is: whether it works, how much it does, and what it costs.
 */
import '../elements/empty-state.js';
import '../elements/reading-status.js';
import { h, oncePerFrame, setText } from '../elements/dom.js';
import { bytes, duration, fullTime, perSecond } from '../elements/format.js';
import { statusText } from '../state/health.js';
import { attend, connected } from './attention.js';
import {
  checksCard,
  closesCard,
  connectionsCard,
  logCard,
  processCard,
  rateCard,
  storingCard,
} from './health-cards.js';

const TICK_MS = 1_000;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function healthView({ health, connection }) {
  const overall = h('h2', { class: 'health-status' });
  const sentence = h('p', { class: 'muted' });
  const facts = h('p', { class: 'muted number health-run' });
  // Said aloud when it changes, and not with every reading.
  const spoken = h('span', { class: 'unseen', role: 'status' });
  const head = h(
    'section',
    { class: 'health-head', 'aria-label': 'Status' },
    h('span', { class: 'badge-dot', 'aria-hidden': 'true' }),
    h('div', {}, overall, sentence),
    facts,
    spoken,
  );
  const rates = [
    rateCard('Events in', 'events stored', (rate) => rate.eventsIn, 5, perSecond),
    rateCard('Events out', 'deliveries', (rate) => rate.eventsOut, 5, perSecond),
    rateCard('Bytes out', 'sent', (rate) => rate.bytesOut, 1000, bytes),
  ];
  const cards = [
    checksCard(),
    connectionsCard(),
    logCard(),
    storingCard(),
    processCard(),
    closesCard(),
  ];
  const report = h(
    'div',
    { class: 'health-report', hidden: true },
    head,
    h('div', { class: 'health-rates' }, ...rates.map((card) => card.element)),
    h('div', { class: 'health-cards' }, ...cards.map((card) => card.element)),
  );
  const empty = h('empty-state', { hidden: true });
  const status = h('reading-status');
  const element = h(
    'div',
    { class: 'health' },
    h('div', { class: 'health-scroll', tabindex: '0' }, report, empty),
    h('footer', { class: 'status' }, status),
  );

  const draw = oncePerFrame(() => {
    drawStatus();
    const { value } = health.poll.store.value;
    report.hidden = value === null;
    empty.hidden = value !== null;
    element.classList.toggle('stale', value !== null && !connected(connection));
    if (value === null) return drawEmpty();
    const { label, text } = statusText(value.status);
    head.dataset.status = value.status;
    setText(overall, label);
    setText(sentence, text);
    setText(spoken, `${label}. ${text}`);
    setText(facts, `Version ${value.version} · up ${duration(value.uptime_seconds)}`);
    facts.title = `Started ${fullTime(value.started_at)}`;
    for (const card of rates) card.show(health.rates);
    for (const card of cards) card.show(value, health.latest);
  });

  function drawStatus() {
    const reading = health.poll.store.value;
    status.show({ ...reading, connected: connected(connection) }, Date.now());
  }

  function drawEmpty() {
    const { problem } = health.poll.store.value;
    if (!connected(connection)) empty.show({ title: 'Not connected' });
    else if (problem) empty.show({ title: 'The hub’s health could not be read', text: problem });
    else empty.show({ title: 'Loading…' });
  }

  const timer = setInterval(drawStatus, TICK_MS);
  const ends = [
    health.poll.store.watch(draw),
    connection.watch(draw),
    attend(health.poll, connection),
    () => clearInterval(timer),
  ];

  return {
    element,
    actions: [],
    update() {},
    leave() {
      for (const end of ends) end();
    },
  };
}

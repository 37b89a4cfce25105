/**
 * The live stream: what happens, as it happens.
 */
import '../elements/empty-state.js';
import '../elements/event-inspector.js';
import '../elements/event-list.js';
import '../elements/filter-chips.js';
import { sentenceOf } from '../client/errors.js';
import { parsePatterns } from '../client/patterns.js';
import { h, icon, oncePerFrame, setIcon, setText } from '../elements/dom.js';
import { counted, grouped } from '../elements/format.js';
import { publishDialog } from './publish.js';

/** Counts on chips and in the status line change at a pace that can be read. */
const SLOW_MS = 250;

/**
 * What an address asks for. A link made by an admin names a merchant; for anyone else the hub
 * would refuse that, and there is only their own to see.
 *
 * @param {URLSearchParams} query
 * @param {import('../state/session.js').Session} session
 */
export function streamScope(query, session) {
  const { patterns } = parsePatterns(query.get('types') ?? '');
  const admin = session.store.value.session?.role === 'admin';
  return { types: patterns, merchantId: admin ? query.get('merchant') : null };
}

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function streamView(context) {
  const { stream, connection, session, merchants, toasts, adjust } = context;
  /** @type {import('../state/event-log.js').Entry | null} */
  let selected = null;

  const chips = h('filter-chips');
  const list = h('event-list');
  const empty = h('empty-state', { hidden: true });
  const inspector = h('event-inspector', {
    hidden: true,
    role: 'complementary',
    'aria-label': 'Event',
  });
  const status = h('p', { class: 'status-text number' });
  const unseen = h('span', { class: 'number' });
  const pill = h(
    'button',
    { type: 'button', class: 'pill', hidden: true, onclick: toNewest },
    icon('up'),
    unseen,
  );
  const pauseLabel = h('span', { class: 'action-label' });
  const pause = h(
    'button',
    { type: 'button', class: 'button', 'aria-keyshortcuts': 'Space', onclick: togglePause },
    pauseLabel,
  );
  const publisher = publishDialog(context);
  const send = h(
    'button',
    {
      type: 'button',
      class: 'button primary',
      'aria-label': 'Send test event',
      onclick: publisher.open,
    },
    icon('plus'),
    h('span', { class: 'action-label', text: 'Send test event' }),
  );
  send.hidden = session.store.value.session?.role === 'viewer';
  const element = h(
    'div',
    { class: 'stream' },
    chips,
    h('div', { class: 'stream-list' }, list, empty, pill),
    inspector,
    h('footer', { class: 'status' }, status, hints()),
    publisher.element,
  );
  list.merchantName = (id) => merchants.name(id);

  function toNewest() {
    list.toTop();
    stream.release();
    list.focus();
  }

  function togglePause() {
    if (stream.paused && !stream.reading) toNewest();
    else stream.pause(!stream.paused);
  }

  function inspect(entry) {
    selected = entry;
    inspector.hidden = entry === null;
    element.classList.toggle('inspecting', entry !== null);
    if (entry) inspector.show(entry, list.merchantName);
    draw();
  }

  function closeInspector() {
    inspect(null);
    list.focus();
  }

  let slowlyDrawn = 0;
  let slowTimer = 0;
  const draw = oncePerFrame(() => {
    const { view } = stream;
    list.show(view, selected?.seq ?? -1);
    drawEmpty(view);
    const held = stream.paused || stream.reading;
    pill.hidden = !held || (stream.unseen === 0 && !stream.paused);
    setText(unseen, stream.unseen ? `${grouped(stream.unseen)} new` : 'Paused');
    setIcon(pause, stream.paused ? 'play' : 'pause');
    setText(pauseLabel, stream.paused ? 'Resume' : 'Pause');
    pause.setAttribute('aria-label', stream.paused ? 'Resume' : 'Pause');
    pause.setAttribute('aria-pressed', String(stream.paused));

    clearTimeout(slowTimer);
    const wait = slowlyDrawn + SLOW_MS - performance.now();
    if (wait <= 0) drawSlowly();
    else slowTimer = setTimeout(drawSlowly, wait);
  });

  function drawSlowly() {
    slowlyDrawn = performance.now();
    chips.show(stream.types, stream.seen);
    const { log, view } = stream;
    setText(
      status,
      `${counted(view.size, 'row')} · ${grouped(log.size)} of ${grouped(log.capacity)} in buffer` +
        (stream.paused ? ' · paused' : stream.reading ? ' · held while you read' : ''),
    );
  }

  function drawEmpty(view) {
    empty.hidden = view.size > 0;
    if (view.size > 0) return;
    const { state } = connection.value;
    if (stream.loading || state !== 'live') {
      const waiting = state === 'waiting' || state === 'stopped';
      empty.show({ title: waiting ? 'Not connected' : 'Loading the last events…' });
    } else if (stream.types.length > 0) {
      empty.show({
        title: 'No stored event matches this filter',
        text: `Waiting for ${stream.types.join(', ')}. New ones appear here at once.`,
        action: { label: 'Show all types', run: () => adjust({ types: null }) },
      });
    } else {
      const { example } = session.store.value;
      empty.show({
        title: 'No events yet',
        text: example
          ? 'Paste this line into a terminal: the event it publishes appears here.'
          : 'Events appear here as soon as a bot publishes them.',
        example,
      });
    }
  }

  chips.addEventListener('filter', ({ detail }) => adjust({ types: detail.join(',') }));
  list.addEventListener('choose', ({ detail }) => inspect(detail));
  list.addEventListener('open', () => selected && inspector.focus());
  list.addEventListener('read', ({ detail }) => stream.read(detail));
  inspector.addEventListener('close', closeInspector);
  inspector.addEventListener('step', ({ detail }) => list.move(detail));

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || publisher.element.open) return;
    if (event.key === 'Escape' && selected) return closeInspector();
    if (event.target.closest('input, textarea, select, button, a')) return;
    if (event.key === ' ') togglePause();
    else if (event.key === '/') chips.edit();
    else return;
    event.preventDefault();
  }
  document.addEventListener('keydown', key);

  const ends = [
    stream.on('change', draw),
    stream.on('problem', (error) =>
      toasts.say('The filter was refused', { kind: 'problem', detail: sentenceOf(error) }),
    ),
    connection.watch(draw),
    merchants.store.watch(() => list.rename()),
    () => document.removeEventListener('keydown', key),
    () => clearTimeout(slowTimer),
  ];

  return {
    element,
    actions: [pause, send],
    update(query) {
      const scope = streamScope(query, session);
      const admin = session.store.value.session?.role === 'admin';
      list.classList.toggle('with-merchants', admin && scope.merchantId === null);
      // At once: the next chip that is pressed adds to those of now.
      chips.show(stream.types, stream.seen);
      list.toTop();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

function hints() {
  const keys = [
    ['Space', 'pause'],
    ['/', 'filter'],
    ['↑ ↓', 'select'],
    ['Esc', 'close'],
  ];
  return h(
    'p',
    { class: 'hints' },
    ...keys.map(([key, what]) => h('span', {}, h('kbd', { text: key }), ` ${what}`)),
  );
}

/**
 * Who is connected, how far each has read, and the way to end a connection.
 */
import '../elements/empty-state.js';
import '../elements/reading-status.js';
import '../elements/session-table.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted, grouped } from '../elements/format.js';
import { matches, ORDERS, Roster } from '../state/sessions.js';
import { attend, connected } from './attention.js';
import { disconnectDialog } from './disconnect.js';

const TICK_MS = 1_000;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function sessionsView(context) {
  const { hub, sessions, connection, merchants, adjust } = context;
  const roster = new Roster();
  let find = '';
  let order = 'newest';

  const field = h('input', {
    type: 'search',
    class: 'filter-input',
    placeholder: 'Find a name, role, merchant, address …',
    'aria-label': 'Find connections',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const choice = h(
    'select',
    { class: 'field', id: 'session-order', 'aria-label': 'Order' },
    ...Object.entries(ORDERS).map(([value, { label }]) => h('option', { value, text: label })),
  );
  const table = h('session-table');
  const empty = h('empty-state', { hidden: true });
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    text: 'Show more',
    hidden: true,
    onclick: showMore,
  });
  const status = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const dialog = disconnectDialog(context);
  const scroller = h('div', { class: 'session-scroll' }, table, empty, more);
  const element = h(
    'div',
    { class: 'sessions' },
    h(
      'form',
      { class: 'session-tools', role: 'search', onsubmit: (event) => event.preventDefault() },
      h('div', { class: 'filter-form' }, icon('search'), field),
      choice,
    ),
    scroller,
    h('footer', { class: 'status' }, status, count),
    dialog.element,
  );

  const merchantName = (id) => merchants.name(id);

  function showMore() {
    sessions.more();
    setText(more, 'Loading…');
  }

  const draw = oncePerFrame(() => {
    drawStatus();
    const { value } = sessions.poll.store.value;
    table.hidden = value === null;
    element.classList.toggle('stale', value !== null && !connected(connection));
    if (value === null) {
      roster.arrange([], { order, wanted: () => true, held: false });
      more.hidden = true;
      setText(count, '');
      return drawEmpty(0);
    }
    const { list } = value;
    const wanted = (session) => matches(session, find, merchantName);
    // Whoever answers the dialog comes back to the row that it was opened from.
    const held = table.held || dialog.element.open;
    const rows = roster.arrange(list, { order, wanted, held });
    const own = hub.welcome?.session;
    table.show(
      rows.map(({ session, ended }) => ({
        session,
        ended,
        own: session.id === own,
        merchant: merchantName(session.merchant_id),
      })),
    );
    table.hidden = rows.length === 0;
    more.hidden = !value.more;
    setText(more, 'Show more');
    const shown = rows.filter(({ ended }) => !ended).length;
    const all = `${counted(list.length, 'connection')}${value.more ? ', and more' : ''}`;
    setText(count, find ? `${grouped(shown)} of ${all}` : all);
    drawEmpty(rows.length);
  });

  function drawStatus() {
    const reading = sessions.poll.store.value;
    status.show({ ...reading, connected: connected(connection) }, Date.now());
  }

  function drawEmpty(rows) {
    empty.hidden = rows > 0;
    if (rows > 0) return;
    const { value, problem } = sessions.poll.store.value;
    if (value !== null) {
      const clear = { label: 'Show all', run: () => adjust({ find: null }) };
      empty.show({
        title: find ? 'No connection matches' : 'Nobody is connected',
        text: find ? `Nothing is found for “${find}” among those that are shown.` : '',
        action: find ? clear : null,
      });
    } else if (!connected(connection)) {
      empty.show({ title: 'Not connected' });
    } else if (problem) {
      empty.show({ title: 'The connections could not be read', text: problem });
    } else {
      empty.show({ title: 'Loading the connections…' });
    }
  }

  function meet({ value }) {
    for (const { merchant_id: id } of value?.list ?? []) if (id) merchants.meet(id);
    draw();
  }

  field.addEventListener('input', () => adjust({ find: field.value.trim() || null }));
  choice.addEventListener('change', () => {
    adjust({ order: choice.value === 'newest' ? null : choice.value });
  });
  table.addEventListener('disconnect', ({ detail }) => dialog.open(detail));
  // Whoever was among the rows has left: they may move again.
  table.addEventListener('release', draw);

  const timer = setInterval(drawStatus, TICK_MS);
  const ends = [
    sessions.poll.store.watch(meet),
    merchants.store.watch(draw),
    connection.watch(draw),
    attend(sessions.poll, connection),
    () => clearInterval(timer),
  ];

  return {
    element,
    actions: [],
    update(query) {
      find = query.get('find') ?? '';
      order = query.get('order') ?? 'newest';
      if (field.value.trim() !== find) field.value = find;
      choice.value = order in ORDERS ? order : 'newest';
      sessions.narrow(context.stream.merchantId);
      draw();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

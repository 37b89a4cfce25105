/**
 * Who changed what, when, and what differs.
 */
import '../elements/audit-filter.js';
import '../elements/audit-list.js';
import '../elements/empty-state.js';
import '../elements/reading-status.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted, grouped } from '../elements/format.js';
import { auditFilter, exportAddress, FIELDS } from '../state/audit.js';
import { attend, connected } from './attention.js';

const TICK_MS = 1_000;
/** Keys to choose an actor from; any other is found by its id. */
const KEYS = 1_000;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function auditView(context) {
  const { hub, audit, connection, merchants, session, stream, adjust } = context;
  const admin = session.store.value.session?.role === 'admin';
  /** @type {Record<string, string>} */
  let filter = {};
  /** What is shown while somebody reads. @type {import('../state/audit.js').AuditState | null} */
  let held = null;

  const fields = h('audit-filter', { role: 'search', 'aria-label': 'Filter changes' });
  const files = {
    csv: h('a', { class: 'button', text: 'CSV', download: true, title: 'Export as CSV' }),
    ndjson: h('a', { class: 'button', text: 'NDJSON', download: true, title: 'Export as NDJSON' }),
  };
  const list = h('audit-list');
  const empty = h('empty-state', { hidden: true });
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    text: 'Show more',
    hidden: true,
    onclick: showMore,
  });
  const unseen = h('span', { class: 'number' });
  const pill = h(
    'button',
    { type: 'button', class: 'pill', hidden: true, onclick: toNewest },
    icon('up'),
    unseen,
  );
  const status = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const spoken = h('span', { class: 'unseen', role: 'status' });
  const scroller = h('div', { class: 'audit-scroll' }, list, empty, more);
  const element = h(
    'div',
    { class: 'audit' },
    h(
      'div',
      { class: 'audit-tools' },
      fields,
      h(
        'div',
        { class: 'audit-files', role: 'group', 'aria-label': 'Export' },
        h('span', { class: 'field-label', text: 'Export' }),
        ...Object.values(files),
      ),
    ),
    h('div', { class: 'audit-list' }, scroller, pill),
    h('footer', { class: 'status' }, status, count, spoken),
  );

  function showMore() {
    audit.more();
    setText(more, 'Loading…');
  }

  function toNewest() {
    scroller.scrollTop = 0;
    list.close();
    held = null;
    drawNow();
    // Behind the pill, which is gone: the keyboard would be nowhere. It is on the newest row now,
    // and from here on that one does not move either.
    list.focus();
  }

  function hold() {
    const { value } = audit.poll.store.value;
    const reading = scroller.scrollTop > 4 || list.held;
    if (reading && value !== null) held ??= value;
    else held = null;
    draw();
  }

  /** What is to be seen: while somebody reads, what was there, and older rows below it. */
  function shown(value) {
    if (held === null) return value.list;
    const last = held.list.at(-1)?.row.id;
    return [...held.list, ...value.list.filter(({ row }) => last !== undefined && row.id < last)];
  }

  function drawNow() {
    drawStatus();
    const { value } = audit.poll.store.value;
    element.classList.toggle('stale', value !== null && !connected(connection));
    if (value === null) {
      held = null;
      list.show([]);
      more.hidden = pill.hidden = true;
      setText(count, '');
      return drawEmpty(0);
    }
    const rows = shown(value);
    const all = admin && !filter.merchant_id;
    list.show(
      rows.map(({ row }) => ({
        row,
        merchant: all ? merchants.name(row.merchant_id) || 'no merchant' : '',
      })),
    );
    list.classList.toggle('with-merchants', all);
    more.hidden = !value.more || rows.length === 0;
    setText(more, 'Show more');
    const since = held?.arrival ?? value.arrival;
    const news = value.list.filter(({ arrival }) => arrival > since).length;
    pill.hidden = news === 0;
    const told = news ? `${grouped(news)} new` : '';
    setText(unseen, told);
    setText(spoken, told);
    setText(count, `${counted(rows.length, 'change')}${value.more ? ', and more' : ''}`);
    drawEmpty(rows.length);
  }
  const draw = oncePerFrame(drawNow);

  function drawStatus() {
    const reading = audit.poll.store.value;
    status.show({ ...reading, connected: connected(connection) }, Date.now());
  }

  function drawEmpty(rows) {
    empty.hidden = rows > 0;
    if (rows > 0) return;
    const { value, problem } = audit.poll.store.value;
    const asked = Object.keys(filter).some((name) => FIELDS.includes(name));
    const clear = asked ? { label: 'Clear the filters', run: clearAll } : null;
    if (value !== null) {
      empty.show({
        title: asked ? 'No change matches' : 'Nothing was changed yet',
        text: asked
          ? 'Nothing that the database has written down fits all filters.'
          : 'What a person or a program changes is written down here by the database itself.',
        action: clear,
      });
    } else if (!connected(connection)) {
      empty.show({ title: 'Not connected' });
    } else if (problem) {
      empty.show({ title: 'The audit could not be read', text: problem, action: clear });
    } else {
      empty.show({ title: 'Loading the changes…' });
    }
  }

  function clearAll() {
    adjust(Object.fromEntries(FIELDS.map((name) => [name, null])));
  }

  async function learnActors() {
    try {
      const narrowed = stream.merchantId ? { merchant_id: stream.merchantId } : {};
      const { keys } = await hub.call('keys.list', { ...narrowed, limit: KEYS });
      fields.knows(keys.map(({ id, name }) => ({ id, name })));
    } catch {
      // The field still takes an id.
    }
  }

  function meet({ value }) {
    for (const { row } of value?.list ?? []) if (row.merchant_id) merchants.meet(row.merchant_id);
    draw();
  }

  fields.addEventListener('filter', ({ detail }) => adjust(detail));
  list.addEventListener('read', hold);
  list.addEventListener('only', ({ detail }) => {
    list.close();
    adjust(detail);
  });
  scroller.addEventListener('scroll', hold, { passive: true });

  let learned = false;
  function onConnection() {
    draw();
    if (learned || !connected(connection)) return;
    learned = true;
    learnActors();
  }

  const timer = setInterval(drawNow, TICK_MS);
  const ends = [
    audit.poll.store.watch(meet),
    merchants.store.watch(draw),
    connection.watch(onConnection),
    hub.on('event', () => audit.touch()),
    // Another log may be of another database.
    hub.on('gap', ({ reason }) => reason === 'epoch' && audit.forget()),
    attend(audit.poll, connection),
    () => clearInterval(timer),
  ];

  return {
    element,
    actions: [],
    update(query) {
      filter = auditFilter(query, admin ? context.stream.merchantId : null);
      const { merchant_id: _merchant, ...asked } = filter;
      fields.show(asked);
      for (const [format, link] of Object.entries(files)) link.href = exportAddress(filter, format);
      held = null;
      scroller.scrollTop = 0;
      audit.narrow(filter);
      draw();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

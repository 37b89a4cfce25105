/**
 * Conversations: whom the merchant writes with at the left, what was said at the right. They are
 * read here; messages are sent by bots.
 */
import '../elements/conversation-list.js';
import '../elements/list-state.js';
import '../elements/message-thread.js';
import '../elements/reading-status.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted } from '../elements/format.js';
import { howMany } from '../elements/message-thread.js';
import { searchBox, toolbar } from '../elements/toolbar.js';
import { followConversations, followMessages, nameOf, phoneOf } from '../state/conversations.js';
import { connected } from './attention.js';

const TICK_MS = 1_000;
/** So many digits may be a number to look up. */
const NUMBER = /^\+?[\d ]{6,20}$/;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function conversationsView(context) {
  const { hub, connection, session, stream, adjust } = context;
  const admin = session.store.value.session.role === 'admin';
  /** @type {import('../state/conversations.js').Pages<any> | null} */
  let conversations = null;
  /** @type {import('../state/conversations.js').Pages<any> | null} */
  let messages = null;
  let whose = '';
  let opened = '';
  let find = '';
  let fresh = Date.now();
  /** Whether the keyboard goes to what is opened, once it is drawn. */
  let entering = false;

  const search = searchBox({
    label: 'Find conversations',
    placeholder: 'A number, or what was said last',
    find: (text) => adjust({ find: text || null }),
  });
  const list = h('conversation-list');
  const listState = h('list-state');
  const more = h('button', {
    type: 'button',
    class: 'button show-more',
    text: 'Show more',
    hidden: true,
    onclick: () => {
      setText(more, 'Loading…');
      conversations?.more();
    },
  });
  const back = h(
    'button',
    { type: 'button', class: 'icon-button thread-back', 'aria-label': 'All conversations' },
    icon('left'),
  );
  const title = h('h2', { class: 'thread-title number', tabindex: '-1' });
  const size = h('span', { class: 'thread-size number' });
  const thread = h('message-thread');
  const threadState = h('list-state');
  const threadPane = h(
    'section',
    { class: 'thread', 'aria-label': 'Conversation' },
    h('header', { class: 'thread-head' }, back, title, size),
    thread,
    threadState,
  );
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const element = h(
    'div',
    { class: 'screen conversations' },
    toolbar(search.element),
    h('div', { class: 'screen-list' }, list, listState, more),
    threadPane,
    h('footer', { class: 'status' }, reading, count),
  );

  function follow(merchantId) {
    conversations?.stop();
    conversations = null;
    if (admin && merchantId === null) return;
    conversations = followConversations(hub, merchantId ? { merchant_id: merchantId } : {});
    conversations.store.watch(draw);
  }

  function open(phone, merchantId) {
    messages?.stop();
    messages = null;
    thread.clear();
    if (!phone || (admin && merchantId === null)) return;
    messages = followMessages(hub, { phone, ...(merchantId && { merchant_id: merchantId }) });
    messages.store.watch(draw);
  }

  const draw = oncePerFrame(() => {
    const now = Date.now();
    const live = connected(connection);
    const state = conversations?.store.value;
    const problem = state?.problem || messages?.store.value.problem || '';
    if (live && !problem) fresh = now;
    reading.show({ connected: live, problem, at: state?.value ? fresh : null }, now);
    element.classList.toggle('stale', Boolean(state?.value) && !live);
    element.classList.toggle('reading-one', opened !== '');
    drawList(state, live, now);
    drawThread(live);
  });

  function drawList(state, live, now) {
    const rows = state?.value?.rows ?? [];
    const shown = rows.filter((conversation) => fits(conversation, find));
    listState.show(faceLike(state, rows, live, admin && !conversations), {
      shown: shown.length,
      what: 'conversations',
      empty: emptyOf(),
      retry: () => conversations?.retry(),
    });
    list.hidden = shown.length === 0;
    list.show(shown, { opened, now });
    more.hidden = !state?.value?.more;
    setText(more, 'Show more');
    const some = shown.length < rows.length ? `${shown.length} of ` : '';
    setText(count, rows.length ? some + counted(rows.length, 'conversation') : '');
  }

  function emptyOf() {
    if (admin && !conversations) {
      return { title: 'Choose a merchant', text: 'Conversations are those of one merchant.' };
    }
    if (!find) {
      return {
        title: 'There are no conversations yet',
        text: 'What customers write to a bot, and what it answers, stands here.',
      };
    }
    const phone = phoneOf(find).replaceAll(' ', '');
    return {
      title: 'No conversation matches',
      text: 'What is searched are those that were read.',
      action: NUMBER.test(find)
        ? { label: `Open ${nameOf({ phone })}`, run: () => adjust({ phone, find: null }) }
        : { label: 'Show all', run: () => adjust({ find: null }) },
    };
  }

  function drawThread(live) {
    threadPane.classList.toggle('none', opened === '');
    const state = messages?.store.value;
    const rows = state?.value?.rows ?? [];
    setText(title, opened ? nameOf({ phone: opened, chat: rows[0]?.chat }) : '');
    if (entering) title.focus();
    entering = false;
    setText(size, howMany(rows.length, Boolean(state?.value?.more)));
    const nothing = opened === '' || state?.gone;
    const shown = nothing ? 0 : rows.length;
    thread.hidden = shown === 0;
    if (shown) thread.show(rows, { more: state.value.more });
    threadState.show(faceLike(state, rows, live, nothing), {
      shown,
      what: 'messages',
      empty: opened
        ? { title: 'Nothing was written here', text: 'No message to or from this number is known.' }
        : { title: 'No conversation is open', text: 'Choose one to read what was said.' },
      retry: () => messages?.retry(),
    });
  }

  list.addEventListener('open', ({ detail }) => {
    entering = true;
    adjust({ phone: detail });
  });
  thread.addEventListener('older', () => {
    thread.wait();
    messages?.more();
  });
  back.addEventListener('click', () => {
    const phone = opened;
    adjust({ phone: null });
    requestAnimationFrame(() => list.focusOn(phone));
  });
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !threadPane.contains(event.target)) return;
    event.preventDefault();
    back.click();
  });

  const timer = setInterval(draw, TICK_MS);
  const unwatch = connection.watch(draw);

  return {
    element,
    actions: [],
    update(query) {
      const merchantId = admin ? stream.merchantId : null;
      find = query.get('find') ?? '';
      search.show(find);
      const phone = phoneOf(query.get('phone') ?? '');
      const other = whose !== (merchantId ?? '') || (conversations === null && !admin);
      if (other) {
        whose = merchantId ?? '';
        follow(merchantId);
      }
      if (phone !== opened || other) {
        opened = phone;
        open(phone, merchantId);
      }
      draw();
    },
    leave() {
      clearInterval(timer);
      unwatch();
      conversations?.stop();
      messages?.stop();
    },
  };
}

function fits({ phone, text }, find) {
  const wanted = find.toLowerCase();
  if (!wanted || text?.toLowerCase().includes(wanted)) return true;
  const digits = phoneOf(find).replaceAll(' ', '');
  return digits !== '' && phone.toLowerCase().includes(digits.toLowerCase());
}

/** What a reading is, in the words of a collection. */
function faceLike(state, rows, live, nothing) {
  const known = nothing || state?.value || state?.gone;
  const phase = known ? 'ready' : state?.problem ? 'failed' : 'loading';
  return /** @type {any} */ ({ rows, phase, connected: live, problem: state?.problem ?? '' });
}

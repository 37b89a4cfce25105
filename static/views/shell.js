/**
 * The frame around every view: where one can go, whose data is shown, how the page is connected.
 */
import '../elements/connection-badge.js';
import '../elements/rate-line.js';
import { h, icon, setIcon, setText } from '../elements/dom.js';
import { grouped } from '../elements/format.js';
import { navigation } from '../elements/navigation.js';
import { brand } from './brand.js';

/** Often enough for a countdown and a running offset; faster could not be read. */
const TICK_MS = 200;
/** As in layout.css. */
const NARROW = '(max-width: 860px)';

/**
 * For each theme: the one that follows, its icon, its label.
 * @type {Record<string, [any, any, string]>}
 */
const THEMES = {
  system: ['light', 'system', 'Theme: as the system'],
  light: ['dark', 'sun', 'Theme: light'],
  dark: ['system', 'moon', 'Theme: dark'],
};

/**
 * @typedef {object} Context what a view may use
 * @property {import('../client/hub.js').Hub} hub
 * @property {import('../state/session.js').Session} session
 * @property {import('../state/store.js').Store<import('../state/connection.js').ConnectionState>} connection
 * @property {import('../state/stream.js').Stream} stream
 * @property {import('../state/merchants.js').Merchants} merchants
 * @property {import('../state/sessions.js').Sessions} sessions
 * @property {import('../state/audit.js').Audit} audit
 * @property {import('../state/health.js').HealthReport} health
 * @property {import('../state/commands.js').Commands} commands
 * @property {import('../state/uploads.js').Uploads} uploads
 * @property {(method: string) => boolean} may whether a command is offered to who is signed in
 * @property {ReturnType<typeof import('../state/preferences.js').themePreference>} theme
 * @property {import('../elements/toast-stack.js').ToastStack} toasts
 * @property {(changes: Record<string, string | null>) => void} adjust changes the view's address
 * @property {(go: () => void) => void} depart does what leaves the view, once the view agrees
 */

/**
 * @param {Context} context
 * @param {Record<string, import('./routes.js').Route>} routes
 */
export function shell(context, routes) {
  const { hub, connection, stream } = context;
  const title = h('h1', { class: 'topbar-title' });
  const actions = h('div', { class: 'topbar-actions' });
  const main = h('main', { class: 'main', id: 'main', tabindex: '-1' });
  const badge = h('connection-badge');
  const rate = h('rate-line');
  const facts = hubFacts();
  const choice = merchantChoice(context);
  const nav = navigation(routes);
  const sidebar = h(
    'aside',
    { class: 'sidebar', id: 'sidebar', 'aria-label': 'Dashboard' },
    brand(),
    choice.element,
    nav.element,
    h('section', { class: 'sidebar-foot', 'aria-label': 'Hub' }, rate, facts.element),
    account(context),
  );
  const { button: menu, scrim, close } = drawer(sidebar, main);
  const skip = h('a', { class: 'skip', href: '#main', text: 'Skip to content' });
  skip.addEventListener('click', (event) => {
    // The hash belongs to the router.
    event.preventDefault();
    main.focus();
  });
  const element = h(
    'div',
    { class: 'shell' },
    skip,
    h('header', { class: 'topbar' }, menu, title, badge, actions),
    sidebar,
    scrim,
    main,
  );

  badge.addEventListener('retry', () => {
    if (connection.value.state === 'stopped') hub.start();
    else hub.retryNow();
  });
  function tick() {
    const end = hub.welcome?.offset ?? null;
    badge.show(connection.value, { offset: hub.offset, end, now: Date.now() });
    rate.show(stream.rate);
    facts.show(hub);
  }
  const timer = setInterval(tick, TICK_MS);
  const unwatch = connection.watch(tick);

  return {
    element,
    /** @type {(path: string, view: import('./router.js').View) => void} */
    show(path, view) {
      document.title = `${routes[path].title} · Smart Bot Hub`;
      setText(title, routes[path].title);
      actions.replaceChildren(...view.actions);
      main.replaceChildren(view.element);
      nav.show(path);
      close();
    },
    /**
     * The address has changed: so have the ways to the other views, and the merchant perhaps.
     * @param {(path: string) => string} href
     */
    moved(href) {
      nav.moved(href);
      choice.show();
    },
    leave() {
      clearInterval(timer);
      unwatch();
    },
  };
}

/** On small screens the sidebar is a drawer, and what it covers is out of reach while it is open. */
function drawer(sidebar, main) {
  const button = h(
    'button',
    {
      type: 'button',
      class: 'icon-button menu',
      'aria-label': 'Menu',
      'aria-controls': 'sidebar',
      'aria-expanded': 'false',
    },
    icon('menu'),
  );
  function open(opened) {
    sidebar.classList.toggle('opened', opened);
    main.inert = opened;
    button.setAttribute('aria-expanded', String(opened));
  }
  button.addEventListener('click', () => {
    const opened = !sidebar.classList.contains('opened');
    open(opened);
    if (opened) sidebar.querySelector('[aria-current]').focus();
  });
  const scrim = h('div', { class: 'scrim', onclick: () => open(false) });
  sidebar.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !sidebar.classList.contains('opened')) return;
    open(false);
    button.focus();
  });
  // A window that has become wide has room for both.
  window.matchMedia(NARROW).addEventListener('change', () => open(false));
  return { button, scrim, close: () => open(false) };
}

/** An admin chooses whose events to see; everyone else sees whose they are. */
function merchantChoice({ session, merchants, stream, adjust }) {
  const box = h('div', { class: 'merchant' });
  function show() {
    const select = box.querySelector('select');
    if (select) select.value = stream.merchantId ?? '';
  }
  merchants.store.watch(({ list, problem }) => {
    const label = h('label', { class: 'field-label', for: 'merchant', text: 'Merchant' });
    const { role, merchant_id: own } = session.store.value.session ?? {};
    if (role !== 'admin') {
      box.replaceChildren(label, h('p', { class: 'merchant-name', text: merchants.name(own) }));
      return;
    }
    const options = list.map(({ id, name }) => h('option', { value: id, text: name }));
    const select = h(
      'select',
      { id: 'merchant', class: 'field', title: problem },
      h('option', { value: '', text: 'All merchants' }),
      ...options,
    );
    select.addEventListener('change', () => adjust({ merchant: select.value || null }));
    box.replaceChildren(label, select);
    show();
  });
  return { element: box, show };
}

function hubFacts() {
  const values = { Offset: '', 'Oldest stored': '', Epoch: '' };
  const cells = Object.fromEntries(
    Object.keys(values).map((name) => [name, h('dd', { class: 'number' })]),
  );
  const rows = Object.entries(cells).map(([name, cell]) =>
    h('div', {}, h('dt', { text: name }), cell),
  );
  return {
    element: h('dl', { class: 'hub-facts' }, ...rows),
    show({ offset, welcome, epoch }) {
      setText(cells.Offset, offset === null ? '–' : grouped(offset));
      setText(cells['Oldest stored'], welcome ? grouped(welcome.oldest) : '–');
      setText(cells.Epoch, epoch ?? '–');
    },
  };
}

function account({ session, theme, depart }) {
  const { name, role } = session.store.value.session;
  const toggle = h('button', { type: 'button', class: 'icon-button' });
  theme.store.watch(({ theme: chosen }) => {
    const [, name, label] = THEMES[chosen];
    setIcon(toggle, name);
    toggle.setAttribute('aria-label', label);
    toggle.title = label;
  });
  toggle.addEventListener('click', () => theme.choose(THEMES[theme.store.value.theme][0]));

  return h(
    'div',
    { class: 'account' },
    h(
      'div',
      { class: 'account-who' },
      h('strong', { text: name || role }),
      h('span', { text: role }),
    ),
    toggle,
    h(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        'aria-label': 'Sign out',
        title: 'Sign out',
        onclick: () => depart(() => session.signOut()),
      },
      icon('leave'),
    ),
  );
}

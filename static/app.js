/**
 * The page: who is signed in decides whether the sign-in view or the dashboard is shown.
 */
import { systemClock } from './client/clock.js';
import { Hub } from './client/hub.js';
import { Rest } from './client/rest.js';
import { Audit } from './state/audit.js';
import { Commands } from './state/commands.js';
import { watchConnection } from './state/connection.js';
import { HealthReport } from './state/health.js';
import { Merchants } from './state/merchants.js';
import { may } from './state/permissions.js';
import { storedMark, themePreference } from './state/preferences.js';
import { Session } from './state/session.js';
import { Sessions } from './state/sessions.js';
import { Stream } from './state/stream.js';
import { isOpen, Uploads } from './state/uploads.js';
import './elements/toast-stack.js';
import { parseHash, Router } from './views/router.js';
import { routesOf } from './views/routes.js';
import { shell } from './views/shell.js';
import { signInView } from './views/sign-in.js';
import { streamScope } from './views/stream.js';

const app = document.getElementById('app');
/** @type {import('./elements/toast-stack.js').ToastStack} */
const toasts = document.querySelector('toast-stack');
const theme = themePreference(safeStorage());
const rest = new Rest();
const session = new Session(rest, { farewell: storedMark(safeStorage(), 'hub.signing-out') });

theme.store.watch(({ theme: chosen }) => {
  document.documentElement.dataset.theme = chosen;
});

/** Reading `localStorage` itself throws where storage is forbidden. */
function safeStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** Takes the ticket out of the address before anything else: it must not stay in the history. */
function takeTicket() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket');
  if (ticket) history.replaceState(null, '', location.pathname + location.search);
  return ticket;
}

function socketUrl() {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

/** Opens the dashboard. @returns {() => void} closes it */
function openDashboard() {
  const { query } = parseHash(location.hash);
  const { role } = session.store.value.session;
  const hub = new Hub({ url: socketUrl(), follow: null, backoff: { base: 300, cap: 8_000 } });
  const stream = new Stream(hub, streamScope(query, session));
  const merchants = new Merchants(rest);
  const uploads = new Uploads(hub);
  hub.on('event', ({ merchant_id }) => merchants.meet(merchant_id));
  const context = {
    hub,
    session,
    stream,
    theme,
    toasts,
    connection: watchConnection(hub, session),
    merchants,
    sessions: new Sessions(hub),
    audit: new Audit(hub),
    health: new HealthReport(hub, systemClock),
    commands: new Commands(hub),
    uploads,
    may: (method) => may(role, method),
    adjust: (changes) => router.adjust(changes),
    depart: (go) => router.depart(go),
  };
  const routes = Object.fromEntries(
    Object.entries(routesOf(role)).map(([path, route]) => {
      return [path, { ...route, open: () => route.open(context) }];
    }),
  );
  const frame = shell(context, routes);
  const router = new Router({
    routes,
    fallback: '/stream',
    show: (path, _title, view) => frame.show(path, view),
    moved(path, query) {
      // The merchant is chosen for the whole page, what is filtered in each view by itself.
      const { types, merchantId } = streamScope(query, session);
      const other = routes[path].live ? [] : stream.types;
      stream.filter({ types: path === '/stream' ? types : other, merchantId });
      frame.moved((target) => router.href(target));
    },
  });
  app.replaceChildren(frame.element);
  router.start();
  merchants.load();
  hub.start();

  // Who comes back to the page, or back online, does not want to wait for a timer.
  const retry = () => document.visibilityState === 'visible' && hub.retryNow();
  document.addEventListener('visibilitychange', retry);
  window.addEventListener('online', retry);
  // Files on their way would be lost with the page.
  const warn = (event) => uploads.store.value.list.some(isOpen) && event.preventDefault();
  window.addEventListener('beforeunload', warn);
  return () => {
    document.removeEventListener('visibilitychange', retry);
    window.removeEventListener('online', retry);
    window.removeEventListener('beforeunload', warn);
    uploads.stop();
    router.stop();
    frame.leave();
    hub.stop();
  };
}

let close = null;
let shown = 'unknown';
session.store.watch(({ status }) => {
  if (status === shown) return;
  shown = status;
  if (status === 'in') {
    close?.();
    close = openDashboard();
  } else if (status === 'out') {
    close?.();
    document.title = 'Sign in · Smart Bot Hub';
    const view = signInView({ session });
    close = view.leave;
    app.replaceChildren(view.element);
    // Whoever was somewhere in the dashboard is told where they are now.
    view.focus();
  }
});

const ticket = takeTicket();
if (ticket) await session.redeem(ticket);
else await session.load();

/**
 * Webhooks: the endpoints that hear of events, how each fares, and the ways to change them.
 */
import '../elements/list-state.js';
import '../elements/reading-status.js';
import '../elements/webhook-list.js';
import { questionDialog } from '../elements/dialog.js';
import { h, icon, oncePerFrame, setText } from '../elements/dom.js';
import { counted } from '../elements/format.js';
import { choice, searchBox, toolbar } from '../elements/toolbar.js';
import { Poll } from '../state/poll.js';
import { healthOf, readWebhooks, webhookMatches } from '../state/webhooks.js';
import { attend, connected } from './attention.js';
import { webhookDrawer } from './webhook-detail.js';
import { secretDialog, webhookDialog } from './webhook-form.js';

const TICK_MS = 1_000;

/**
 * @param {import('./shell.js').Context} context
 * @returns {import('./router.js').View}
 */
export function webhooksView(context) {
  const { hub, commands, connection, merchants, session, stream, toasts, adjust, may } = context;
  const admin = session.store.value.session.role === 'admin';
  const creatable = may('webhooks.create');
  let filter = { find: '', health: '', merchantId: null };
  let opened = '';
  /** @type {Poll<import('../state/webhooks.js').Webhook[]>} */
  const poll = new Poll({ read: () => readWebhooks(hub, filter.merchantId) });

  const search = searchBox({
    label: 'Find webhooks',
    placeholder: 'Part of an address or a type',
    find: (text) => adjust({ find: text || null }),
  });
  const health = choice({
    label: 'Health',
    options: [
      ['', 'All'],
      ['working', 'Working'],
      ['failing', 'Failing'],
      ['disabled', 'Disabled by the hub'],
      ['inactive', 'Inactive'],
      ['new', 'Never called'],
    ],
    choose: (value) => adjust({ health: value || null }),
  });
  const list = h('webhook-list');
  const face = h('list-state');
  const reading = h('reading-status');
  const count = h('p', { class: 'session-count number' });
  const secret = secretDialog();
  const form = webhookDialog(context, ({ webhook, secret: shown }, made) => {
    poll.refresh();
    drawer.refresh();
    if (made) secret.open(webhook, shown);
  });
  const removal = questionDialog({ submit: 'Remove', run: remove });
  const rotation = questionDialog({ submit: 'Rotate', run: rotate });
  const drawer = webhookDrawer(context, {
    close: () => adjust({ webhook: null }),
    edit: form.open,
    changed: () => poll.refresh(),
    rotate: (webhook) =>
      rotation.open(
        webhook,
        'Give this webhook another secret?',
        'For 24 hours its calls are signed with both, the new one and the one before.',
      ),
    remove: (webhook) =>
      removal.open(
        webhook,
        'Remove this webhook?',
        `${webhook.url} hears of nothing more. What was tried is removed with it.`,
      ),
  });
  const element = h(
    'div',
    { class: 'screen webhooks' },
    toolbar(search.element, health.element),
    h('div', { class: 'screen-list' }, list, face),
    drawer.element,
    h('footer', { class: 'status' }, reading, count),
    form.element,
    secret.element,
    removal.element,
    rotation.element,
  );
  const create = h(
    'button',
    {
      type: 'button',
      class: 'button primary',
      'aria-label': 'New webhook',
      onclick: () => form.open(null),
    },
    icon('plus'),
    h('span', { class: 'action-label', text: 'New webhook' }),
  );

  async function remove({ id, url, version }) {
    await commands.run('webhooks.delete', { id }, { ifMatch: version });
    poll.refresh();
    adjust({ webhook: null });
    toasts.say('The webhook was removed', { detail: url });
  }

  async function rotate({ id, version }) {
    const result = await commands.run('webhooks.rotate', { id }, { ifMatch: version });
    poll.refresh();
    drawer.refresh();
    secret.open(result.webhook, result.secret);
  }

  const draw = oncePerFrame(() => {
    const { value, at, problem } = poll.store.value;
    const now = Date.now();
    const live = connected(connection);
    reading.show({ at, problem, connected: live }, now);
    element.classList.toggle('stale', value !== null && !live);
    const all = value ?? [];
    const shown = all.filter(
      (webhook) =>
        webhookMatches(webhook, filter.find) &&
        (!filter.health || healthOf(webhook) === filter.health),
    );
    const asked = filter.find !== '' || filter.health !== '';
    const phase = value !== null ? 'ready' : problem ? 'failed' : 'loading';
    const state = { rows: all, phase, problem, connected: live, at, parts: {} };
    face.show(/** @type {any} */ (state), {
      shown: shown.length,
      what: 'webhooks',
      empty: {
        title: asked ? 'No webhook matches' : 'There are no webhooks yet',
        text: asked
          ? 'Nothing fits all that is asked for.'
          : 'An address that is called whenever something happens: another system hears of it.',
        action: asked
          ? { label: 'Show all', run: () => adjust({ find: null, health: null }) }
          : creatable
            ? { label: 'New webhook', run: () => form.open(null) }
            : null,
      },
      retry: () => poll.refresh(),
    });
    list.hidden = shown.length === 0;
    const several = admin && filter.merchantId === null;
    const merchantName = (id) => (several ? merchants.name(id) : '');
    list.show(shown, { opened, merchantName, now });
    setText(count, value !== null && all.length ? counted(shown.length, 'webhook') : '');
  });

  list.addEventListener('open', ({ detail }) => adjust({ webhook: detail }));
  const timer = setInterval(draw, TICK_MS);
  const ends = [
    poll.store.watch(draw),
    merchants.store.watch(draw),
    connection.watch(draw),
    hub.on('event', ({ type }) => type.startsWith('webhook_') && poll.refresh()),
    attend(poll, connection),
    () => clearInterval(timer),
    () => drawer.leave(),
  ];

  return {
    element,
    actions: creatable ? [create] : [],
    update(query) {
      const merchantId = admin ? stream.merchantId : null;
      const other = merchantId !== filter.merchantId;
      filter = {
        find: query.get('find') ?? '',
        health: query.get('health') ?? '',
        merchantId,
      };
      if (other) poll.forget();
      search.show(filter.find);
      health.show(filter.health);
      const id = query.get('webhook') ?? '';
      if (id !== opened) {
        opened = id;
        if (id) drawer.show(id);
        else drawer.hide();
      }
      draw();
    },
    leave() {
      for (const end of ends) end();
    },
  };
}

/**
 * `<webhook-list>`: endpoints in lines, each with how it fares.
 *
 * Fires `open` (detail: the webhook's id).
 */
import { healthOf } from '../state/webhooks.js';
import { h, setText } from './dom.js';
import { counted, fullTime, relativeTime } from './format.js';
import { Keyed } from './keyed.js';
import './status-pill.js';

const HEAD = ['Endpoint', 'Events', 'Health', 'Last called'];

export class WebhookList extends HTMLElement {
  #rows = h('ul', { class: 'webhook-rows', role: 'list', 'aria-label': 'Webhooks' });
  #list = new Keyed(this.#rows, (id) => webhookRow(() => this.#open(id)));

  connectedCallback() {
    if (this.firstChild) return;
    const head = h(
      'div',
      { class: 'webhook-head', 'aria-hidden': 'true' },
      ...HEAD.map((text) => h('span', { text })),
    );
    this.append(head, this.#rows);
  }

  /**
   * @param {import('../state/webhooks.js').Webhook[]} webhooks
   * @param {object} how
   * @param {string} how.opened the id of the one whose details are shown
   * @param {(id: string) => string} how.merchantName empty where only one is shown
   * @param {number} how.now ms
   */
  show(webhooks, { opened, merchantName, now }) {
    this.#list.show(
      webhooks.map((webhook) => [
        webhook.id,
        { webhook, now, opened: webhook.id === opened, merchant: merchantName(webhook.merchant_id) },
      ]),
    );
  }

  #open(id) {
    this.dispatchEvent(new CustomEvent('open', { detail: id }));
  }
}

function webhookRow(onclick) {
  const url = h('span', { class: 'webhook-url' });
  const second = h('span', { class: 'second' });
  const types = h('span', { class: 'webhook-types' });
  const pill = h('status-pill');
  const trouble = h('span', { class: 'second' });
  const time = h('time', { class: 'webhook-time' });
  const main = h(
    'button',
    { type: 'button', class: 'webhook-main', onclick },
    h('span', { class: 'webhook-what' }, url, second),
    types,
    h('span', { class: 'webhook-health' }, pill, trouble),
    time,
  );
  const element = h('li', { class: 'webhook-row' }, main);
  return {
    element,
    show({ webhook, now, opened, merchant }) {
      element.classList.toggle('opened', opened);
      setText(url, webhook.url);
      setText(second, merchant);
      second.hidden = merchant === '';
      setText(types, webhook.event_types.join(', '));
      pill.show(healthOf(webhook));
      setText(trouble, troubleOf(webhook));
      const at = webhook.last_triggered_at;
      setText(time, at ? relativeTime(at, now) : 'never');
      time.dateTime = at ?? '';
      time.title = at ? fullTime(at) : '';
    },
  };
}

function troubleOf({ is_active: active, disabled_reason: reason, retry_count: failed }) {
  if (!active) return reason ?? '';
  return failed > 0 ? `${counted(failed, 'failure')} in a row` : '';
}

customElements.define('webhook-list', WebhookList);

/**
 * Orders as a board shows them: in columns by status, moved optimistically.
 *
 * A move is shown at once and asked for under the version that was seen. What the hub refuses goes
 * back to where it was; what it answers stands.
 */
import { Collection } from './collection.js';
import { Store } from './store.js';

/** In the order in which an order goes through them. */
export const STATUSES = [
  'pending',
  'confirmed',
  'preparing',
  'dispatched',
  'delivered',
  'cancelled',
];

/**
 * What may become of an order. The hub has the same table, and the last word.
 * @type {Record<string, string[]>}
 */
export const FOLLOWING = {
  pending: ['confirmed', 'cancelled'],
  confirmed: ['preparing', 'cancelled'],
  preparing: ['dispatched', 'cancelled'],
  dispatched: ['delivered', 'cancelled'],
  delivered: [],
  cancelled: [],
};

/** What the button says that does it. @type {Record<string, string>} */
export const VERBS = {
  confirmed: 'Confirm',
  preparing: 'Start preparing',
  dispatched: 'Dispatch',
  delivered: 'Mark as delivered',
  cancelled: 'Cancel the order',
};

const PAGE = 30;
/** A whole telephone number: the hub finds those beyond what is shown. */
const PHONE = /^\+?\d{5,20}$/;

/**
 * @typedef {object} Order
 * @property {string} id
 * @property {string} merchant_id
 * @property {string} customer_phone
 * @property {string | null} customer_id
 * @property {{ product_id: string, name: string, quantity: number, price: number }[]} items
 * @property {number} total in minor units of `currency`
 * @property {string} currency
 * @property {string} status
 * @property {'unpaid' | 'partial' | 'paid' | 'refunded'} payment_status
 * @property {string | null} notes
 * @property {number} version
 * @property {string} created_at
 * @property {string} updated_at
 *
 * @typedef {object} Filter
 * @property {string} find words, all of which must be found
 * @property {string} payment a payment status; empty for any
 * @property {string | null} merchantId
 *
 * @typedef {object} Column
 * @property {string} status
 * @property {Order[]} orders newest first
 * @property {boolean} more whether there are older ones
 * @property {boolean} loading whether they are on their way
 */

/** @param {{ id: string }} order @returns {string} as people call it: `#1B2C3D` */
export function orderName({ id }) {
  return `#${id.slice(-6).toUpperCase()}`;
}

/** @param {string} status @returns {string} with a capital */
export function statusName(status) {
  return status.charAt(0).toUpperCase() + status.slice(1);
}

/** @param {Order} order @returns {string} `2 × Coffee, 1 × Bread` */
export function itemsText({ items }) {
  return items.map(({ quantity, name }) => `${quantity} × ${name}`).join(', ');
}

/**
 * @param {Order} order
 * @param {string} find words, all of which must be found
 * @returns {boolean}
 */
export function orderMatches(order, find) {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const { id, customer_phone: phone, customer_id: customer, notes } = order;
  const text = [id, orderName(order), phone, customer ?? '', notes ?? '', itemsText(order)]
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/**
 * The status that an order which is lifted stands over after a step to one side.
 * @param {string} from where it was lifted
 * @param {string} over where it stands
 * @param {1 | -1} direction
 * @returns {string} itself at the end
 */
export function nextTarget(from, over, direction) {
  const targets = STATUSES.filter((each) => each === from || FOLLOWING[from].includes(each));
  return targets[targets.indexOf(over) + direction] ?? over;
}

export class Orders {
  #commands;
  /** Orders of one customer, also those beyond the pages. */
  #found;
  /** Where orders are shown that the hub has not answered for. @type {Map<string, string>} */
  #moving = new Map();
  /** @type {Filter} */
  #filter = { find: '', payment: '', merchantId: null };
  /** @type {(() => void)[]} */
  #ends = [];

  /**
   * @param {import('../client/hub.js').Hub} hub
   * @param {Pick<import('./commands.js').Commands, 'run'>} commands
   * @param {import('../client/clock.js').Clock} [clock]
   */
  constructor(hub, commands, clock) {
    this.#commands = commands;
    const options = { plural: 'orders', page: PAGE, clock };
    this.list = new Collection(hub, options);
    this.#found = new Collection(hub, options);
    /** @type {Store<{ columns: Column[], count: number }>} */
    this.store = new Store({ columns: [], count: 0 });
  }

  open() {
    this.#ends = [this.list.store, this.#found.store].map((store) =>
      store.watch(() => this.#arrange()),
    );
    this.list.open();
    this.#found.open();
  }

  close() {
    for (const end of this.#ends) end();
    this.list.close();
    this.#found.close();
  }

  /** @param {Filter} filter */
  narrow(filter) {
    this.#filter = filter;
    const { find, payment, merchantId } = filter;
    const asked = {
      order: 'newest',
      ...(payment && { payment_status: payment }),
      ...(merchantId && { merchant_id: merchantId }),
    };
    const pays = ({ payment_status }) => !payment || payment_status === payment;
    const columns = STATUSES.map((status) => [status, { ...asked, status }]);
    this.list.ask(Object.fromEntries(columns), { accepts: pays });
    const phone = PHONE.test(find) ? { found: { ...asked, customer_phone: find } } : {};
    const theirs = (order) => pays(order) && order.customer_phone === find;
    this.#found.ask(phone, { accepts: theirs });
    this.#arrange();
  }

  /** @param {string} status */
  more(status) {
    return this.list.more(status);
  }

  /** @param {string} id @returns {Order | undefined} */
  get(id) {
    const order = this.list.get(id) ?? this.#found.get(id);
    return order && /** @type {Order} */ (this.#shown(order));
  }

  /**
   * Moves an order on, here at once.
   * @param {string} id
   * @param {string} status
   * @returns {Promise<Order>} as the hub has it; rejected with its refusal
   */
  async move(id, status) {
    const { version } = this.list.get(id) ?? this.#found.get(id);
    this.#moving.set(id, status);
    this.#arrange();
    try {
      const params = { id, status };
      const { order } = await this.#commands.run('orders.set_status', params, { ifMatch: version });
      this.put(order);
      return order;
    } catch (error) {
      // Somebody else was faster, or nobody knows: what the hub has is to be seen.
      this.list.reload();
      throw error;
    } finally {
      this.#moving.delete(id);
      this.#arrange();
    }
  }

  /** An order as a command has answered it. @param {Order} order */
  put(order) {
    this.list.put(order);
    this.#found.put(order);
  }

  #shown(order) {
    const status = this.#moving.get(order.id);
    return status ? { ...order, status } : order;
  }

  #arrange() {
    const { parts } = this.list.store.value;
    const all = new Map();
    for (const order of [...this.list.store.value.rows, ...this.#found.store.value.rows]) {
      const known = all.get(order.id);
      if (!known || known.version < order.version) all.set(order.id, order);
    }
    const orders = [...all.values()]
      .map((order) => this.#shown(order))
      .filter((order) => orderMatches(order, this.#filter.find))
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    const columns = STATUSES.map((status) => ({
      status,
      orders: orders.filter((order) => order.status === status),
      more: parts[status]?.more ?? false,
      loading: parts[status]?.loading ?? false,
    }));
    this.store.set({ columns, count: orders.length });
  }
}

/**
 * The field in which an admin says for which merchant something is made. Whoever belongs to one, or
 * has chosen one for the whole page, is not asked.
 */
import { field, select } from './fields.js';
import { h } from './dom.js';

/**
 * @param {Pick<import('../views/shell.js').Context, 'session' | 'stream' | 'merchants'>} context
 */
export function merchantField({ session, stream, merchants }) {
  const control = select([], { required: true });
  const asked = field({ label: 'Merchant', pointer: '/merchant_id', control, wide: true });
  return {
    field: asked,
    element: asked.element,
    /** Asks, where there is something to ask; before each opening of its dialog. */
    show() {
      const all = session.store.value.session?.role === 'admin' && stream.merchantId === null;
      asked.element.hidden = !all;
      const chosen = control.value;
      const { list } = merchants.store.value;
      control.replaceChildren(
        ...list.map(({ id, name }) => h('option', { value: id, text: name })),
      );
      if (list.some(({ id }) => id === chosen)) control.value = chosen;
    },
    /** @returns {{ merchant_id?: string }} to be put into the params */
    params() {
      if (session.store.value.session?.role !== 'admin') return {};
      const id = stream.merchantId ?? control.value;
      return id ? { merchant_id: id } : {};
    },
  };
}

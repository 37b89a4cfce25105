/**
 * Example data for the types that a person may publish by hand, each valid as it stands.
 */

/** @param {Date} now */
function core(now) {
  const at = now.toISOString();
  return {
    custom_test: { note: 'Hello from the dashboard' },
    order_created: {
      orderId: 'ORD-1001',
      customerId: '263771234567',
      items: [{ productId: 'SKU-7', name: 'Roasted coffee 250 g', quantity: 2, price: 450 }],
      totalAmount: 900,
    },
    order_status_changed: {
      orderId: 'ORD-1001',
      oldStatus: 'pending',
      newStatus: 'confirmed',
      updatedAt: at,
    },
    message_received: {
      messageId: 'wamid.1001',
      fromPhone: '263771234567',
      text: 'Do you deliver today?',
      timestamp: at,
    },
    message_sent: { messageId: 'wamid.1002', toPhone: '263771234567', text: 'Yes, until 18:00.' },
    product_updated: {
      productId: 'SKU-7',
      name: 'Roasted coffee 250 g',
      price: 450,
      stock: 31,
      mediaIds: [],
    },
    payment_received: {
      orderId: 'ORD-1001',
      amount: 900,
      paymentMethod: 'ecocash',
      transactionId: 'TX-5551',
    },
    delivery_started: {
      deliveryTaskId: 'DT-77',
      orderId: 'ORD-1001',
      driverId: 'driver-4',
      location: { lat: -17.8252, lng: 31.0335 },
    },
    delivery_completed: {
      deliveryTaskId: 'DT-77',
      orderId: 'ORD-1001',
      completedAt: at,
      signature: 'T. Moyo',
    },
    bot_connected: { botStatus: 'online', timestamp: at },
    bot_disconnected: { reason: 'phone offline', timestamp: at },
  };
}

/** The types that are offered; any other `custom_…` may be typed in. */
export const SAMPLE_TYPES = Object.keys(core(new Date(0)));

/**
 * @param {string} type
 * @param {Date} [now]
 * @returns {object} data that the hub accepts for this type
 */
export function sampleData(type, now = new Date()) {
  return core(now)[type] ?? core(now).custom_test;
}

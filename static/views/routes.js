/**
 * The screens: where each is, what it is called, who finds it, and which group of the navigation it
 * stands in. The order here is the order there.
 */
import { may } from '../state/permissions.js';
import { auditView } from './audit.js';
import { conversationsView } from './conversations.js';
import { healthView } from './health.js';
import { jobsView } from './jobs.js';
import { mediaView } from './media.js';
import { ordersView } from './orders.js';
import { productsView } from './products.js';
import { sessionsView } from './sessions.js';
import { streamView } from './stream.js';
import { templatesView } from './templates.js';
import { webhooksView } from './webhooks.js';

/**
 * @typedef {object} Route
 * @property {string} title
 * @property {any} icon
 * @property {string} group its heading in the navigation; empty for none
 * @property {string} [needs] the command without which there is nothing to see
 * @property {boolean} [live] whether it lives by events: of all types, whatever the stream filters
 * @property {(context: import('./shell.js').Context) => import('./router.js').View} open
 */

/** @type {Record<string, Route>} */
const ROUTES = {
  '/stream': { title: 'Live stream', icon: 'stream', group: '', open: streamView },
  '/orders': {
    title: 'Orders',
    icon: 'orders',
    group: 'Shop',
    needs: 'orders.list',
    live: true,
    open: ordersView,
  },
  '/conversations': {
    title: 'Conversations',
    icon: 'conversations',
    group: 'Shop',
    needs: 'conversations.list',
    live: true,
    open: conversationsView,
  },
  '/products': {
    title: 'Products',
    icon: 'products',
    group: 'Shop',
    needs: 'products.list',
    live: true,
    open: productsView,
  },
  '/templates': {
    title: 'Templates',
    icon: 'templates',
    group: 'Shop',
    needs: 'templates.list',
    live: true,
    open: templatesView,
  },
  '/media': {
    title: 'Media',
    icon: 'media',
    group: 'Shop',
    needs: 'media.list',
    live: true,
    open: mediaView,
  },
  '/jobs': {
    title: 'Jobs',
    icon: 'jobs',
    group: 'Work',
    needs: 'jobs.list',
    live: true,
    open: jobsView,
  },
  '/webhooks': {
    title: 'Webhooks',
    icon: 'webhooks',
    group: 'Work',
    needs: 'webhooks.list',
    live: true,
    open: webhooksView,
  },
  '/sessions': {
    title: 'Sessions',
    icon: 'sessions',
    group: 'Hub',
    needs: 'sessions.list',
    open: sessionsView,
  },
  '/audit': {
    title: 'Audit',
    icon: 'audit',
    group: 'Hub',
    needs: 'audit.list',
    live: true,
    open: auditView,
  },
  '/health': { title: 'Health', icon: 'health', group: 'Hub', open: healthView },
};

/**
 * @param {string} role
 * @returns {Record<string, Route>} those that it finds, by their paths
 */
export function routesOf(role) {
  const found = Object.entries(ROUTES).filter(([, { needs }]) => !needs || may(role, needs));
  return Object.fromEntries(found);
}

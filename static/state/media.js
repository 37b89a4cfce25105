/**
 * Pictures: as lists of them are asked for, what can be known of a file before it is sent, and how
 * long an address opens one.
 */
import { systemClock } from '../client/clock.js';

/**
 * @typedef {object} Media
 * @property {string} id
 * @property {string} merchant_id
 * @property {string} hash
 * @property {string} original_name
 * @property {string} mime_type
 * @property {number} size bytes
 * @property {number | null} width pixels
 * @property {number | null} height
 * @property {string | null} url signed: it opens the picture without a key for a while
 * @property {string | null} thumbnail_url
 * @property {'uploading' | 'processing' | 'ready' | 'failed'} status
 * @property {{ error?: string }} metadata `error`: why its sizes could not be made
 * @property {number} used_by
 * @property {number} version
 * @property {string} created_at
 */

/** What the hub takes, by the types that browsers give to files. */
export const TYPES = { 'image/jpeg': 'JPEG', 'image/png': 'PNG', 'image/webp': 'WebP' };
/** The largest file that it takes, bytes. */
export const MOST_BYTES = 5 * 1024 * 1024;

/** Addresses are renewed so long before they end: a picture may still be scrolled to. */
const MARGIN_MS = 10 * 60_000;
/** A clock that is wrong must not ask all the time. */
const REST_MS = 60_000;

/**
 * The question of a collection for these pictures.
 * @param {object} filter
 * @param {string} [filter.find] part of the name
 * @param {string} [filter.status] empty for all
 * @param {string | null} [filter.merchantId]
 */
export function mediaQuestion({ find = '', status = '', merchantId = null }) {
  const whose = merchantId ? { merchant_id: merchantId } : {};
  const named = find ? { name: find } : {};
  const state = status ? { status } : {};
  return {
    parts: { all: { ...whose, ...named, ...state, order: 'newest' } },
    accepts: (media) =>
      (!status || media.status === status) &&
      (!merchantId || media.merchant_id === merchantId) &&
      media.original_name.toLowerCase().includes(find.toLowerCase()),
  };
}

/**
 * Why the hub would refuse a file, as far as a browser can tell.
 * @param {{ type: string, size: number }} file
 * @returns {string} a sentence; empty where nothing is wrong
 */
export function fileProblem({ type, size }) {
  // A browser that does not know the type says nothing; the hub looks at the content.
  if (type && !Object.hasOwn(TYPES, type)) return 'This is no JPEG, PNG or WebP picture.';
  if (size === 0) return 'This file is empty.';
  if (size > MOST_BYTES) return 'This file has more than 5 MB.';
  return '';
}

/** @param {Pick<Media, 'mime_type'>} media @returns {string} `PNG` */
export function typeName({ mime_type: type }) {
  return TYPES[type] ?? type;
}

/** @param {Pick<Media, 'width' | 'height'>} media @returns {string} `1200 × 800`, or nothing */
export function dimensions({ width, height }) {
  return width && height ? `${width} × ${height}` : '';
}

/**
 * @param {string | null} url
 * @returns {number} until when it opens the picture, ms; Infinity where it is not signed
 */
export function endOf(url) {
  const end = Number.parseInt(/[?&]exp=(\d+)/.exec(url ?? '')?.[1] ?? '', 10);
  return Number.isNaN(end) ? Infinity : end * 1000;
}

/**
 * Which address a picture is shown by: the one that it is shown by already, as long as that works,
 * so that it is not loaded again.
 * @param {string} shown
 * @param {string | null} read
 * @param {number} now ms
 * @returns {string}
 */
export function addressFor(shown, read, now) {
  if (!read) return '';
  const same = shown.split('?', 1)[0] === read.split('?', 1)[0];
  return same && endOf(shown) - MARGIN_MS / 2 > now ? shown : read;
}

/**
 * Reads the pictures of a collection again before their addresses end.
 * @param {import('./collection.js').Collection} collection
 * @param {import('../client/clock.js').Clock} [clock]
 * @returns {() => void} ends it
 */
export function renewAddresses(collection, clock = systemClock) {
  let timer = null;
  let end = Infinity;
  let last = -Infinity;
  const stop = collection.store.watch(({ rows }) => {
    const first = Math.min(Infinity, ...rows.map(({ url }) => endOf(url)));
    if (first === end) return;
    end = first;
    schedule();
  });
  function schedule() {
    clock.clearTimeout(timer);
    if (end === Infinity) return;
    const due = Math.max(end - MARGIN_MS, last + REST_MS);
    timer = clock.setTimeout(renew, Math.max(0, due - clock.now()));
  }
  function renew() {
    last = clock.now();
    collection.reload();
    // Where the hub cannot be asked now, or gives the same ones.
    schedule();
  }
  return () => {
    stop();
    clock.clearTimeout(timer);
  };
}

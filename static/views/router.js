/**
 * Which view is shown, by the hash of the address: `#/stream?types=order_*&merchant=…`.
 * What a view shows is in its address, so that a link to it shows the same to a colleague.
 */

/**
 * @param {string} hash
 * @returns {{ path: string, query: URLSearchParams }}
 */
export function parseHash(hash) {
  const [path, query = ''] = hash.replace(/^#/, '').split('?', 2);
  return { path, query: new URLSearchParams(query) };
}

/**
 * @param {string} path
 * @param {Record<string, string | null | undefined>} query empty values are left out
 * @returns {string}
 */
export function formatHash(path, query = {}) {
  const parts = Object.entries(query)
    .filter(([, value]) => value)
    // `*` and `,` are legal in a fragment, and a person may want to read it.
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%2C', ',')}`);
  return `#${path}${parts.length ? `?${parts.join('&')}` : ''}`;
}

/**
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {HTMLElement[]} actions what stands in the bar above it
 * @property {(query: URLSearchParams) => void} update its address has changed
 * @property {() => void} leave
 * @property {(path: string, query: URLSearchParams, go: () => void) => boolean} [holds] whether
 *   going there would lose something: then it asks, and `go` is what follows from a yes
 */

export class Router {
  #routes;
  #fallback;
  #show;
  #moved;
  #path = '';
  /** The address of what is shown. */
  #hash = '';
  /** The query that each view had last. @type {Map<string, Record<string, string>>} */
  #queries = new Map();
  /** @type {View | null} */
  #view = null;
  /** While what a view holds back is let go. */
  #agreed = false;
  #listener = () => this.#follow();

  /**
   * @param {object} options
   * @param {Record<string, { title: string, open: () => View }>} options.routes by path
   * @param {string} options.fallback the path for an address that is none
   * @param {(path: string, title: string, view: View) => void} options.show
   * @param {(path: string, query: URLSearchParams) => void} [options.moved] before a view is told
   *   of its address
   */
  constructor({ routes, fallback, show, moved = () => {} }) {
    this.#routes = routes;
    this.#fallback = fallback;
    this.#show = show;
    this.#moved = moved;
  }

  start() {
    window.addEventListener('hashchange', this.#listener);
    this.#follow();
  }

  stop() {
    window.removeEventListener('hashchange', this.#listener);
    this.#view?.leave();
    this.#view = null;
    this.#path = '';
  }

  /**
   * Changes the query of the view that is shown.
   * @param {Record<string, string | null | undefined>} changes
   */
  adjust(changes) {
    const { path, query } = parseHash(location.hash);
    history.replaceState(null, '', formatHash(path, { ...Object.fromEntries(query), ...changes }));
    this.#follow();
  }

  /**
   * The way to another view, as it was left, with the merchant that is chosen now.
   * @param {string} path
   * @returns {string}
   */
  href(path) {
    const merchant = this.#queries.get(this.#path)?.merchant;
    return formatHash(path, { ...this.#queries.get(path), merchant });
  }

  /**
   * Leaves what is shown for something that is no address, such as signing out: the view may ask.
   * @param {() => void} go
   */
  depart(go) {
    if (!this.#view?.holds?.('', new URLSearchParams(), go)) go();
  }

  /** @returns {boolean} whether the view keeps its address until the person has answered */
  #held(hash, path, query) {
    if (this.#agreed || hash === this.#hash) return false;
    const go = () => {
      this.#agreed = true;
      history.replaceState(null, '', hash);
      this.#follow();
      this.#agreed = false;
    };
    if (!this.#view?.holds?.(path, query, go)) return false;
    // The entry of the history stays, so that a yes finds it where it was meant to be.
    history.replaceState(null, '', this.#hash);
    this.#moved(this.#path, parseHash(this.#hash).query);
    return true;
  }

  #follow() {
    const { hash } = location;
    const { path, query } = parseHash(hash);
    const route = this.#routes[path];
    if (!route) {
      history.replaceState(null, '', formatHash(this.#fallback));
      this.#follow();
      return;
    }
    if (this.#held(hash, path, query)) return;
    this.#hash = hash;
    this.#queries.set(path, Object.fromEntries(query));
    const other = path !== this.#path;
    if (other) {
      this.#view?.leave();
      this.#path = path;
    }
    this.#moved(path, query);
    if (other) {
      this.#view = route.open();
      this.#show(path, route.title, this.#view);
    }
    this.#view.update(query);
  }
}

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
 */

export class Router {
  #routes;
  #fallback;
  #show;
  #path = '';
  /** @type {View | null} */
  #view = null;
  #listener = () => this.#follow();

  /**
   * @param {object} options
   * @param {Record<string, { title: string, open: () => View }>} options.routes by path
   * @param {string} options.fallback the path for an address that is none
   * @param {(path: string, title: string, view: View) => void} options.show
   */
  constructor({ routes, fallback, show }) {
    this.#routes = routes;
    this.#fallback = fallback;
    this.#show = show;
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

  #follow() {
    const { path, query } = parseHash(location.hash);
    const route = this.#routes[path];
    if (!route) {
      history.replaceState(null, '', formatHash(this.#fallback));
      this.#follow();
      return;
    }
    if (path !== this.#path) {
      this.#view?.leave();
      this.#path = path;
      this.#view = route.open();
      this.#show(path, route.title, this.#view);
    }
    this.#view.update(query);
  }
}

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
 * @property {(path: string, query: URLSearchParams) => boolean} [holds] whether something would be
 *   lost by going there
 * @property {(go: () => void) => void} [ask] asks about that; `go` is what follows from a yes
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
  /** The place of what is shown in the history: every entry is numbered. */
  #at = 0;
  /** The address that a view has held back, and lets go. */
  #agreed = '';
  /** What is asked as soon as the history is back where it was. @type {(() => void) | null} */
  #question = null;
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
    this.#path = this.#hash = '';
  }

  /**
   * Changes the query of the view that is shown.
   * @param {Record<string, string | null | undefined>} changes
   */
  adjust(changes) {
    const { path, query } = parseHash(location.hash);
    rename(formatHash(path, { ...Object.fromEntries(query), ...changes }));
    this.#follow(true);
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
    if (this.#view?.holds?.('', new URLSearchParams())) this.#view.ask(go);
    else go();
  }

  /**
   * @param {boolean} renamed whether the entry of the history has another address, and is the same
   * @returns {boolean} whether the view keeps its address until the person has answered
   */
  #held(hash, path, query, renamed) {
    if (hash === this.#hash || hash === this.#agreed) return false;
    if (!this.#view?.holds?.(path, query)) return false;
    if (renamed) {
      rename(this.#hash);
      this.#moved(this.#path, parseHash(this.#hash).query);
      this.#view.ask(() => {
        this.#agreed = hash;
        rename(hash);
        this.#follow(true);
      });
      return true;
    }
    // An entry without a number was made by the way there; else it is a way back or forth.
    const at = history.state?.at;
    const steps = at === undefined ? 1 : at - this.#at;
    this.#question = () =>
      this.#view.ask(() => {
        this.#agreed = hash;
        if (at === undefined) location.hash = hash;
        else history.go(steps);
      });
    history.go(-steps);
    return true;
  }

  #follow(renamed = false) {
    const { hash } = location;
    const { path, query } = parseHash(hash);
    const route = this.#routes[path];
    if (!route) {
      rename(formatHash(this.#fallback));
      this.#follow(true);
      return;
    }
    if (this.#held(hash, path, query, renamed)) return;
    this.#hash = hash;
    this.#agreed = '';
    if (history.state?.at === undefined) history.replaceState({ at: this.#at + 1 }, '', hash);
    this.#at = history.state.at;
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
    const question = this.#question;
    this.#question = null;
    question?.();
  }
}

/** Another address for the same entry of the history. @param {string} hash */
function rename(hash) {
  history.replaceState(history.state, '', hash);
}

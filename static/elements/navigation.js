/**
 * The ways to the screens, in groups.
 */
import { h, icon } from './dom.js';

/**
 * @param {Record<string, { title: string, icon: any, group: string }>} routes by path
 */
export function navigation(routes) {
  const links = Object.entries(routes).map(([path, { title, icon: sign, group }]) => {
    const link = h('a', { class: 'nav-link', href: `#${path}` }, icon(sign), title);
    return { path, link, group };
  });
  const groups = [...new Set(links.map(({ group }) => group))];
  const element = h(
    'nav',
    { class: 'nav', 'aria-label': 'Views' },
    ...groups.map((name, index) => {
      const own = links.filter(({ group }) => group === name);
      const id = `nav-group-${index}`;
      return h(
        'div',
        { class: 'nav-group' },
        name && h('p', { class: 'nav-name', id, text: name }),
        h(
          'ul',
          { role: 'list', 'aria-labelledby': name && id },
          ...own.map(({ link }) => h('li', {}, link)),
        ),
      );
    }),
  );
  return {
    element,
    /** @param {string} path of the screen that is shown */
    show(path) {
      for (const { path: target, link } of links) {
        if (target === path) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
      }
    },
    /** @param {(path: string) => string} href where each way leads from here */
    moved(href) {
      for (const { path, link } of links) link.setAttribute('href', href(path));
    },
  };
}

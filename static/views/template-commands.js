/**
 * What may be done with a template, each done once and said when it is done. Every change is asked
 * for under the version that was seen.
 */
import { storedOf, updateOf } from '../state/template-draft.js';

/**
 * @typedef {import('../state/templates.js').Template} Template
 * @typedef {import('../state/template-draft.js').Draft} Draft
 *
 * @param {import('./shell.js').Context} context
 */
export function templateCommands({ commands, toasts }) {
  /** @returns {Promise<Template>} as it is now */
  async function change(verb, { id, version }, params = {}) {
    const asked = { id, ...params };
    const result = await commands.run(`templates.${verb}`, asked, { ifMatch: version });
    return result.template;
  }

  return {
    /** @param {object} params its id, and whose it is @param {Draft} draft */
    async create(params, draft) {
      const said = { ...params, ...storedOf(draft) };
      const { template } = await commands.run('templates.create', said);
      toasts.say(`${template.name} was saved`);
      return template;
    },
    /** @param {Template} base what the draft was made of @param {Draft} draft */
    async update(base, draft) {
      const template = await change('update', base, updateOf(draft, base));
      toasts.say(`${template.name} was saved`);
      return template;
    },
    /** @param {Template} base */
    async activate(base) {
      const template = await change('activate', base);
      toasts.say(`${template.name} is active`);
      return template;
    },
    /** @param {Template} base */
    async archive(base) {
      const template = await change('archive', base);
      toasts.say(`${template.name} is archived`);
      return template;
    },
    /** @param {Template} base @param {number} number the version that comes back */
    async restore(base, number) {
      const template = await change('restore', base, { number });
      toasts.say(`${template.name} says again what it said in version ${number}`);
      return template;
    },
    /** @param {Template} base */
    async remove({ id, name, version }) {
      await commands.run('templates.delete', { id }, { ifMatch: version });
      toasts.say(`${name} was deleted`);
    },
  };
}

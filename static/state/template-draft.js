/**
 * A template while a person writes it.
 *
 * A draft keeps what was written for the other types too: whoever tries another one finds it again.
 * What is sent to the hub of it is what its type has.
 */
import { LIMITS, variablesOf } from './template-text.js';

/**
 * @typedef {import('./templates.js').Template} Template
 *
 * @typedef {{ id: string, label: string, callback_data?: string | null }} ButtonDraft
 * @typedef {{ id: string, title: string, description: string }} RowDraft
 * @typedef {{ title: string, rows: RowDraft[] }} SectionDraft
 *
 * @typedef {object} Draft
 * @property {string} name
 * @property {string} description
 * @property {string} language
 * @property {'text' | 'buttons' | 'list' | 'media'} type
 * @property {string} header
 * @property {string} body of a media template its caption
 * @property {string} footer
 * @property {string} button_text
 * @property {ButtonDraft[]} buttons
 * @property {SectionDraft[]} sections
 * @property {{ type: 'image' | 'document', from: 'url' | 'media', url: string, media_id: string }}
 *   media
 * @property {Record<string, any>} example values by the names of variables, and whatever else the
 *   stored template has
 */

/** What a template says, by the names of its fields. */
const CONTENT = ['type', 'header', 'body', 'footer', 'button_text', 'buttons', 'sections', 'media'];
/** What a person calls each field. @type {Record<string, string>} */
export const FIELD_NAMES = {
  name: 'the name',
  description: 'the description',
  language: 'the language',
  type: 'the type',
  header: 'the header',
  body: 'the body',
  footer: 'the footer',
  button_text: 'the opener of the list',
  buttons: 'the buttons',
  sections: 'the sections',
  media: 'the media',
  example_payload: 'the example values',
  status: 'the status',
};

export const newButton = () => ({ id: '', label: '' });
export const newRow = () => ({ id: '', title: '', description: '' });
export const newSection = () => ({ title: '', rows: [newRow()] });

/**
 * @param {Partial<Template>} [template] without one, what a new one begins with
 * @returns {Draft}
 */
export function draftOf(template = {}) {
  const { buttons, sections, media } = template;
  const caption = template.type === 'media' ? media?.caption || template.body : template.body;
  return {
    name: template.name ?? '',
    description: template.description ?? '',
    language: template.language ?? 'en',
    type: template.type ?? 'text',
    header: template.header ?? '',
    body: caption ?? '',
    footer: template.footer ?? '',
    button_text: template.button_text ?? '',
    buttons: buttons?.length ? structuredClone(buttons) : [newButton()],
    sections: sections?.length ? sections.map(sectionDraft) : [newSection()],
    media: {
      type: media?.type ?? 'image',
      from: media?.media_id ? 'media' : 'url',
      url: media?.url ?? '',
      media_id: media?.media_id ?? '',
    },
    example: structuredClone(template.example_payload ?? {}),
  };
}

function sectionDraft({ title, rows }) {
  return {
    title: title ?? '',
    rows: rows.map((row) => ({ id: row.id, title: row.title, description: row.description ?? '' })),
  };
}

/**
 * @param {Draft} draft
 * @returns {Record<string, any>} what it says, as `templates.preview` takes it
 */
export function contentOf(draft) {
  const { type } = draft;
  return {
    type,
    header: draft.header || null,
    body: type === 'media' ? null : draft.body || null,
    footer: draft.footer || null,
    button_text: ['buttons', 'list'].includes(type) ? draft.button_text || null : null,
    buttons: type === 'buttons' ? draft.buttons.map(buttonContent) : null,
    sections: type === 'list' ? draft.sections.map(sectionContent) : null,
    media: type === 'media' ? mediaContent(draft) : null,
  };
}

function buttonContent({ id, label, callback_data: data }) {
  return { id, label, ...(data && { callback_data: data }) };
}

function sectionContent({ title, rows }) {
  return {
    rows: rows.map(({ id, title: text, description }) => {
      return { id, title: text, ...(description && { description }) };
    }),
    ...(title && { title }),
  };
}

function mediaContent({ media: { type, from, url, media_id: id }, body }) {
  const file = from === 'url' ? url && { url } : id && { media_id: id };
  return { type, ...(file || {}), ...(body && { caption: body }) };
}

/** @param {Draft} draft @returns {string[]} the names of its placeholders, as the hub finds them */
export function draftVariables(draft) {
  const { media, buttons, sections, ...said } = contentOf(draft);
  return variablesOf([
    said.header,
    said.body,
    said.footer,
    said.button_text,
    media?.url,
    media?.caption,
    ...(buttons ?? []).map(({ label }) => label),
    ...(sections ?? []).flatMap(({ title, rows }) => {
      return [title, ...rows.flatMap((row) => [row.title, row.description])];
    }),
  ]);
}

/**
 * @param {Draft} draft
 * @returns {Record<string, any>} the example values of those variables that have one
 */
export function draftValues({ example, ...draft }) {
  const names = draftVariables(/** @type {any} */ (draft));
  return Object.fromEntries(
    names.filter((name) => has(example, name)).map((name) => [name, example[name]]),
  );
}

function has(example, name) {
  return Object.hasOwn(example, name) && example[name] !== '' && example[name] !== null;
}

/**
 * Everything that is stored of a draft, by the names of the fields.
 * @param {Draft} draft
 * @param {Partial<Template>} [base] what it was made of: its example may have more than variables
 */
export function storedOf(draft, base = {}) {
  const known = new Set(base.variables ?? []);
  const more = Object.keys(base.example_payload ?? {}).filter((name) => !known.has(name));
  const wanted = [...new Set([...draftVariables(draft), ...more])];
  const example = wanted.filter((name) => has(draft.example, name));
  return {
    name: draft.name,
    description: draft.description,
    language: draft.language,
    ...contentOf(draft),
    example_payload: example.length
      ? Object.fromEntries(example.map((name) => [name, draft.example[name]]))
      : null,
  };
}

/** @param {any} value @returns {string} the same for what the hub takes for the same */
function canonical(value) {
  if (value === '' || value === undefined || value === null) return 'null';
  if (Array.isArray(value)) return value.length ? `[${value.map(canonical)}]` : 'null';
  if (typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, each]) => canonical(each) !== 'null');
  return `{${entries.map(([name, each]) => `${name}:${canonical(each)}`).sort()}}`;
}

/** @param {any} one @param {any} other @returns {boolean} */
export function sameValue(one, other) {
  return canonical(one) === canonical(other);
}

/**
 * What a person has changed.
 * @param {Draft} draft
 * @param {Partial<Template>} base what it was made of
 * @returns {string[]} names of fields
 */
export function changedFields(draft, base) {
  const before = storedOf(draftOf(base), base);
  const after = storedOf(draft, base);
  return Object.keys(after).filter((name) => !sameValue(before[name], after[name]));
}

/**
 * The params of `templates.update`, without the id: what is not as the hub has it.
 * @param {Draft} draft
 * @param {Template} base
 */
export function updateOf(draft, base) {
  const entries = Object.entries(storedOf(draft, base));
  return Object.fromEntries(entries.filter(([name, value]) => !sameValue(base[name], value)));
}

/**
 * A draft on what somebody else has made of its template: what its writer has changed stays, the
 * rest is as it is now.
 * @param {Draft} draft
 * @param {Template} base what the draft was made of
 * @param {Template} theirs what the template is by now
 * @returns {Draft}
 */
export function rebased(draft, base, theirs) {
  const mine = new Set(changedFields(draft, base));
  const result = draftOf(theirs);
  const keep = (name, key = name) => mine.has(name) && Object.assign(result, { [key]: draft[key] });
  for (const name of ['name', 'description', 'language', ...CONTENT]) keep(name);
  keep('example_payload', 'example');
  // The text of a media template is a part of its media, and another type has another one.
  if (mine.has('media') || mine.has('type')) result.body = draft.body;
  return result;
}

/**
 * @param {Draft} draft
 * @returns {number} most characters of its main text
 */
export function bodyLimit({ type }) {
  return type === 'text' ? LIMITS.text : LIMITS.body;
}

/**
 * An item of a list one place further.
 * @template T
 * @param {T[]} list
 * @param {number} at
 * @param {1 | -1} step
 * @returns {T[]} as it was, at an end
 */
export function movedItem(list, at, step) {
  const to = at + step;
  if (to < 0 || to >= list.length) return list;
  const result = [...list];
  [result[at], result[to]] = [result[to], result[at]];
  return result;
}

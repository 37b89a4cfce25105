/**
 * What an OpenAPI document says, as the page reads it. Pure: no DOM, no requests.
 */

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/**
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} method in capitals
 * @property {string} path with its variables in braces
 * @property {any} raw as it stands in the document
 */

/**
 * The operations by resource, in the document's order.
 * @param {any} document
 * @returns {{name: string, description: string, operations: Operation[]}[]}
 */
export function resources(document) {
  const found = new Map(
    document.tags.map(({ name, description = '' }) => [name, { name, description, operations: [] }]),
  );
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const raw = item[method];
      if (!raw) continue;
      const operation = { id: raw.operationId, method: method.toUpperCase(), path, raw };
      found.get(raw.tags[0]).operations.push(operation);
    }
  }
  return [...found.values()];
}

/**
 * Whether an operation has all words of a search in its name, path or summary.
 * @param {Operation} operation
 * @param {string} text
 */
export function matches({ id, method, path, raw }, text) {
  const said = `${id} ${method} ${path} ${raw.summary}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => said.includes(word));
}

/** What a reference refers to; anything else itself. */
export function resolve(document, value) {
  let found = value;
  while (found?.$ref) {
    found = found.$ref
      .slice(2)
      .split('/')
      .reduce((inside, name) => inside[name.replaceAll('~1', '/').replaceAll('~0', '~')], document);
  }
  return found;
}

/** The name of the component to which a schema refers, or nothing. */
export function nameOf(schema) {
  return schema?.$ref?.split('/').at(-1) ?? '';
}

/**
 * A schema in a few words: `string or null`, `list of Order`, `1 of draft, active`.
 * @param {any} schema
 * @returns {string}
 */
export function typeOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  return schema.format ? `${schema.type}, ${schema.format}` : (schema.type ?? 'anything');
}

const BOUNDS = {
  minimum: (n) => `from ${n}`,
  maximum: (n) => `to ${n}`,
  exclusiveMinimum: (n) => `above ${n}`,
  exclusiveMaximum: (n) => `below ${n}`,
  minLength: (n) => (n === 1 ? 'not empty' : `at least ${n} characters`),
  maxLength: (n) => `at most ${n} characters`,
  minItems: (n) => `at least ${n}`,
  maxItems: (n) => `at most ${n}`,
  pattern: (text) => (EVERYTHING.test(text) ? '' : `like ${text.replaceAll('(?!\\n)', '')}`),
};

/** Patterns that only keep the character U+0000 out: nobody needs to read them. */
const EVERYTHING = /^\^\[\^\\x00\][+*]\$$/;

/**
 * What else a value must be, in words.
 * @param {any} schema
 * @returns {string[]}
 */
export function boundsOf(schema) {
  const own = Object.entries(BOUNDS)
    .filter(([name]) => schema[name] !== undefined)
    .map(([name, say]) => say(schema[name]))
    .filter(Boolean);
  const parts = (schema.anyOf ?? []).flatMap(boundsOf);
  const standard = schema.default ?? null;
  if (standard !== null) parts.push(`${JSON.stringify(standard)} without it`);
  return [...own, ...parts];
}

/** The first example of a body, an answer or a parameter; undefined without one. */
export function exampleOf({ example, examples }) {
  return examples ? Object.values(examples)[0].value : example;
}

/**
 * The address of a request.
 * @param {string} path
 * @param {any[]} parameters
 * @param {Map<string, string>} values by name; an empty one is left out of the query
 */
export function address(path, parameters, values) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { name, in: place } of parameters) {
    const value = values.get(name) ?? '';
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === 'query' && value !== '') query.append(name, value);
  }
  return query.size ? `${filled}?${query}` : filled;
}

/**
 * `<try-form>`: sends one request as the form says, and shows what comes back.
 */
import { h, setText } from '../elements/dom.js';
import '../elements/copy-button.js';
import '../elements/json-view.js';
import { address, exampleOf, typeOf } from './document.js';

/** Characters of an answer that are shown: a page of a log may be long. */
const LONGEST = 200_000;

export class TryForm extends HTMLElement {
  #operation;
  #credential;
  /** @type {Map<string, HTMLInputElement>} */
  #inputs = new Map();
  /** @type {HTMLTextAreaElement | null} */
  #body = null;
  #status = h('p', { class: 'try-status', role: 'status' });
  #answer = h('div', { class: 'try-answer' });
  #button = h('button', { class: 'button primary', type: 'submit', text: 'Send' });

  /**
   * @param {import('./document.js').Operation} operation
   * @param {() => string} credential the pasted key; empty where the browser's session counts
   */
  show(operation, credential) {
    this.#operation = operation;
    this.#credential = credential;
    const { parameters = [], requestBody } = operation.raw;
    const form = h('form', { class: 'try', novalidate: true });
    form.append(...parameters.map((each) => this.#field(each)));
    if (requestBody) form.append(this.#bodyField(requestBody.content['application/json']));
    form.append(h('div', { class: 'try-actions' }, this.#button, this.#status), this.#answer);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.replaceChildren(form);
  }

  #field(parameter) {
    const { name, required = false, schema, example } = parameter;
    const id = `${this.#operation.id}-${name}`;
    const input = h('input', {
      class: 'field',
      id,
      autocomplete: 'off',
      spellcheck: 'false',
      placeholder: typeOf(schema),
    });
    if (parameter.in !== 'header') input.value = example ?? '';
    this.#inputs.set(name, input);
    const label = h('label', { class: 'field-label', for: id }, h('code', { text: name }));
    label.append(` · ${parameter.in}${required ? ', required' : ''}`);
    return h('div', { class: 'try-field' }, label, input);
  }

  #bodyField(content) {
    const id = `${this.#operation.id}-body`;
    const text = JSON.stringify(exampleOf(content) ?? {}, null, 2);
    const rows = Math.min(16, Math.max(4, text.split('\n').length + 1));
    this.#body = h('textarea', { class: 'field mono', id, rows, spellcheck: 'false' });
    this.#body.value = text;
    // Ctrl or ⌘ and Enter send, as in every editor.
    this.#body.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#send();
    });
    const label = h('label', { class: 'field-label', for: id, text: 'Body, JSON' });
    return h('div', { class: 'try-field wide' }, label, this.#body);
  }

  async #send() {
    if (this.#button.disabled) return;
    const { method, path, raw } = this.#operation;
    const values = new Map([...this.#inputs].map(([name, input]) => [name, input.value]));
    const parameters = raw.parameters ?? [];
    const empty = parameters.find((each) => each.in === 'path' && !values.get(each.name));
    if (empty) {
      setText(this.#status, `${empty.name} stands in the path: it cannot be empty.`);
      this.#inputs.get(empty.name)?.focus();
      return;
    }
    const headers = { accept: 'application/json' };
    const key = this.#credential();
    if (key) headers.authorization = `Bearer ${key}`;
    for (const each of parameters) {
      if (each.in === 'header' && values.get(each.name)) headers[each.name] = values.get(each.name);
    }
    if (this.#body) headers['content-type'] = 'application/json';
    await this.#show(address(path, parameters, values), { method, headers });
  }

  async #show(url, { method, headers }) {
    this.#button.disabled = true;
    setText(this.#status, 'Sending …');
    const began = performance.now();
    try {
      const response = await fetch(url, {
        method,
        headers,
        body: this.#body?.value,
        // A pasted key is tried alone: beside it the browser's session would say who asks.
        credentials: headers.authorization ? 'omit' : 'same-origin',
        cache: 'no-store',
      });
      const text = await response.text();
      const ms = Math.round(performance.now() - began);
      const said = `${response.status} ${response.statusText}`.trim();
      setText(this.#status, `${said} · ${ms} ms · ${text.length} characters`);
      this.#status.dataset.kind = response.ok ? 'good' : 'bad';
      this.#answer.replaceChildren(...answer(`${method} ${url}`, response, text));
    } catch {
      setText(this.#status, 'The hub cannot be reached, or the header fields are none.');
      this.#status.dataset.kind = 'bad';
      this.#answer.replaceChildren();
    } finally {
      this.#button.disabled = false;
    }
  }
}

function* answer(request, response, text) {
  yield h('p', { class: 'try-request' }, h('code', { text: request }));
  const fields = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  const details = h('details', {}, h('summary', { text: `${fields.length} header fields` }));
  details.addEventListener(
    'toggle',
    () => details.append(h('pre', { tabindex: '0', text: fields.join('\n') })),
    { once: true },
  );
  yield details;
  const copy = /** @type {import('../elements/copy-button.js').CopyButton} */ (
    h('copy-button', { label: 'Copy the answer' })
  );
  copy.text = () => text;
  yield copy;
  const shown = text.slice(0, LONGEST);
  let value;
  try {
    value = JSON.parse(shown);
  } catch {
    yield h('pre', { tabindex: '0', text: shown });
    return;
  }
  const view = /** @type {import('../elements/json-view.js').JsonView} */ (h('json-view'));
  view.show(value);
  yield view;
}

customElements.define('try-form', TryForm);

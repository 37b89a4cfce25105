/**
 * Files that are dropped on the page or pasted into it, while one screen is shown.
 */
import { h, icon } from './dom.js';

/**
 * @param {object} options
 * @param {string} options.text what is said while files are held over the page
 * @param {(files: File[]) => void} options.take
 * @param {() => boolean} [options.open] whether files are taken just now
 */
export function fileDrop({ text, take, open = () => true }) {
  const element = h(
    'div',
    { class: 'file-drop', hidden: true },
    h('p', {}, icon('upload'), h('span', { text })),
  );
  /** How many elements the files are over: each tells of it by itself. */
  let depth = 0;
  const ends = new AbortController();
  const { signal } = ends;
  const free = () => open() && document.querySelector('dialog:modal') === null;
  const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes('Files') ?? false;

  function show(over) {
    depth = over;
    element.hidden = depth === 0;
  }

  function on(type, act) {
    document.addEventListener(type, act, { signal });
  }

  on('dragenter', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (free()) show(depth + 1);
  });
  on('dragover', (event) => {
    if (!hasFiles(event)) return;
    // Without it, the browser would leave the page for the file.
    event.preventDefault();
    event.dataTransfer.dropEffect = free() ? 'copy' : 'none';
  });
  on('dragleave', (event) => {
    if (hasFiles(event)) show(Math.max(0, depth - 1));
  });
  on('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(0);
    const files = [...event.dataTransfer.files];
    if (free() && files.length) take(files);
  });
  on('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || !free()) return;
    event.preventDefault();
    take(files);
  });

  return { element, leave: () => ends.abort() };
}

/**
 * A button that opens the browser's own dialog for files.
 * @param {object} options
 * @param {string} options.label
 * @param {string} options.accept types
 * @param {string} [options.class]
 * @param {(files: File[]) => void} options.take
 */
export function fileButton({ label, accept, class: style = 'button', take }) {
  const input = h('input', { type: 'file', multiple: true, accept, hidden: true });
  input.addEventListener('change', () => {
    const files = [...input.files];
    // The same file chosen again is a change again.
    input.value = '';
    if (files.length) take(files);
  });
  const button = h(
    'button',
    { type: 'button', class: style, 'aria-label': label, onclick: () => input.click() },
    icon('upload'),
    h('span', { class: 'action-label', text: label }),
  );
  return { button, input, open: () => input.click() };
}

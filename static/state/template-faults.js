/**
 * Where in a template something is wrong, in words.
 */

const PLACES = {
  header: 'Header',
  body: 'Body',
  footer: 'Footer',
  button_text: 'Opener of the list',
  buttons: 'Buttons',
  sections: 'Sections',
  media: 'Media',
  name: 'Name',
  language: 'Language',
  description: 'Description',
  example_payload: 'Example values',
};

/**
 * @param {string} pointer into a template, `/sections/0/rows/1/title`
 * @returns {string} `Section 1, row 2`; empty where it says nothing
 */
export function placeOf(pointer) {
  const [, member = '', at, , place] = pointer.split('/');
  if (member === 'variables' && at) return `Value of ${at}`;
  if (at !== undefined && /^\d+$/.test(at)) {
    if (member === 'buttons') return `Button ${Number(at) + 1}`;
    if (member === 'sections') {
      const row = place === undefined ? '' : `, row ${Number(place) + 1}`;
      return `Section ${Number(at) + 1}${row}`;
    }
  }
  if (member === 'media' && at === 'caption') return 'Caption';
  return PLACES[member] ?? '';
}

// The editor of templates, as far as it is logic: texts, drafts, and the preview that follows them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../../static/client/emitter.js';
import { HubError } from '../../static/client/errors.js';
import { fieldOf } from '../../static/elements/fields.js';
import { piecesOf } from '../../static/elements/whatsapp-text.js';
import { LivePreview } from '../../static/state/live-preview.js';
import {
  changedFields,
  contentOf,
  draftOf,
  draftValues,
  draftVariables,
  movedItem,
  rebased,
  sameValue,
  storedOf,
  updateOf,
} from '../../static/state/template-draft.js';
import { placeOf } from '../../static/state/template-faults.js';
import {
  idFor,
  insertVariable,
  isVariable,
  lengthOf,
  variablesOf,
} from '../../static/state/template-text.js';
import { gist, templateMatches, templateQuestion } from '../../static/state/templates.js';
import { FakeClock, settled } from './support.mjs';

const BUTTONS = {
  id: 't',
  merchant_id: 'm',
  name: 'order_ready',
  description: '',
  type: 'buttons',
  language: 'en',
  header: null,
  body: 'Your order {{order_id}} is ready',
  footer: null,
  button_text: null,
  buttons: [{ id: 'track', label: 'Track' }],
  sections: null,
  media: null,
  variables: ['order_id'],
  example_payload: { order_id: 17, channel: 'shop' },
  version: 3,
  status: 'draft',
};

test('characters are counted as the hub counts them', () => {
  assert.equal(lengthOf('héllo'), 5);
  // A family is seven code points, a flag two.
  assert.equal(lengthOf('👨‍👩‍👧‍👦'), 7);
  assert.equal(lengthOf('🇿🇼'), 2);
  assert.equal(lengthOf('Hi {{name}}!'), 4);
  assert.equal(lengthOf('Hi {{ name }}!', { name: 'Rudo' }), 8);
  assert.equal(lengthOf('{{a}}{{b}}', { a: 7, b: false }), 6);
  // What is no placeholder is text, and a value is read once.
  assert.equal(lengthOf('{{bad name}}'), 12);
  assert.equal(lengthOf('{{a}}', { a: '{{a}}' }), 5);
  assert.equal(lengthOf('https://h/{{a}}', { a: 'é (1)' }, true), 10 + 'xx%C3%A9'.length - 2 + 10);
  assert.equal(lengthOf('{{toString}}'), 0);
});

test('placeholders are found in the order in which they first appear', () => {
  assert.deepEqual(variablesOf(['{{b}} {{ a }}', null, '{{a}}{{c_1}}', '{{no way}} {{}} {x}']), [
    'b',
    'a',
    'c_1',
  ]);
  assert.ok(isVariable('order_id'));
  for (const wrong of ['', 'a b', 'é', 'x'.repeat(65)]) assert.ok(!isVariable(wrong));
});

test('a variable takes the place of what is selected', () => {
  assert.deepEqual(insertVariable('Hi you!', 3, 6, 'name'), { text: 'Hi {{name}}!', at: 11 });
  assert.deepEqual(insertVariable('', 0, 0, 'a'), { text: '{{a}}', at: 5 });
});

test('an id is made of what a person reads', () => {
  assert.equal(idFor('Pay now!', []), 'pay_now');
  assert.equal(idFor('Pay now', ['pay_now', 'pay_now_2']), 'pay_now_3');
  assert.equal(idFor('Café {{x}}', []), 'cafe');
  assert.equal(idFor('支払う', []), '');
});

test('what is stored is written back as it was', () => {
  const list = {
    ...BUTTONS,
    type: 'list',
    buttons: null,
    button_text: 'Choose',
    sections: [
      {
        rows: [
          { id: 'a', title: 'A', description: 'x' },
          { id: 'b', title: 'B' },
        ],
      },
    ],
  };
  const media = {
    ...BUTTONS,
    type: 'media',
    body: null,
    buttons: null,
    variables: [],
    media: { type: 'image', url: 'https://h/x', caption: 'Look' },
  };
  const told = { ...media, body: 'Look', media: { type: 'image', media_id: 'f' } };
  for (const each of [BUTTONS, list, media, told]) {
    assert.deepEqual(changedFields(draftOf(each), each), [], each.type);
  }
  for (const each of [BUTTONS, list, media]) assert.deepEqual(updateOf(draftOf(each), each), {});
  // The text of a media template is its caption, wherever it was.
  assert.deepEqual(updateOf(draftOf(told), told), {
    body: null,
    media: { type: 'image', media_id: 'f', caption: 'Look' },
  });
});

test('only what has changed is sent', () => {
  const draft = draftOf(BUTTONS);
  draft.footer = 'Bye';
  draft.buttons.push({ id: 'help', label: 'Help' });
  assert.deepEqual(changedFields(draft, BUTTONS), ['footer', 'buttons']);
  assert.deepEqual(updateOf(draft, BUTTONS), { footer: 'Bye', buttons: draft.buttons });
  draft.footer = '';
  draft.buttons.pop();
  assert.deepEqual(changedFields(draft, BUTTONS), []);
  draft.body = '';
  assert.deepEqual(updateOf(draft, BUTTONS).body, null);
});

test('another type leaves what it does not have, and keeps it for the way back', () => {
  const draft = draftOf(BUTTONS);
  draft.type = 'text';
  assert.equal(contentOf(draft).buttons, null);
  assert.deepEqual(draftVariables(draft), ['order_id']);
  assert.deepEqual(updateOf(draft, BUTTONS), { type: 'text', buttons: null });
  draft.type = 'buttons';
  assert.deepEqual(changedFields(draft, BUTTONS), []);
});

test('variables are found in every text of a type, in the order of the hub', () => {
  const draft = draftOf({
    ...BUTTONS,
    type: 'list',
    header: '{{h}}',
    body: '{{b}}',
    footer: '{{f}}',
    button_text: '{{o}}',
    sections: [{ title: '{{s}}', rows: [{ id: 'x', title: '{{t}}', description: '{{d}}' }] }],
  });
  assert.deepEqual(draftVariables(draft), ['h', 'b', 'f', 'o', 's', 't', 'd']);
});

test('example values are those of the variables, and what else was there stays', () => {
  const draft = draftOf(BUTTONS);
  assert.deepEqual(draftValues(draft), { order_id: 17 });
  draft.example.order_id = '';
  draft.example.amount = '5';
  assert.deepEqual(draftValues(draft), {});
  assert.deepEqual(storedOf(draft, BUTTONS).example_payload, { channel: 'shop' });
  draft.body += ' {{amount}}';
  assert.deepEqual(storedOf(draft, BUTTONS).example_payload, { amount: '5', channel: 'shop' });
  assert.equal(storedOf(draftOf(), {}).example_payload, null);
});

test('what others have written is taken in beside what is written here', () => {
  const draft = draftOf(BUTTONS);
  draft.body = 'Mine';
  draft.example.order_id = '18';
  const theirs = { ...BUTTONS, header: 'Theirs', body: 'Theirs too', version: 4 };
  const both = rebased(draft, BUTTONS, theirs);
  assert.equal(both.header, 'Theirs');
  assert.equal(both.body, 'Mine');
  assert.equal(both.example.order_id, '18');
  assert.deepEqual(Object.keys(updateOf(both, theirs)), ['body', 'example_payload']);
  assert.deepEqual(changedFields(rebased(draftOf(BUTTONS), BUTTONS, theirs), theirs), []);
});

test('values are the same where the hub stores the same', () => {
  assert.ok(sameValue(null, ''));
  assert.ok(sameValue([{ id: 'a', description: '' }], [{ id: 'a' }]));
  assert.ok(sameValue({ a: 1, b: 2 }, { b: 2, a: 1 }));
  assert.ok(!sameValue({ a: 1 }, { a: '1' }));
  assert.ok(!sameValue([1, 2], [2, 1]));
});

test('an item moves by one place, and not beyond an end', () => {
  assert.deepEqual(movedItem(['a', 'b', 'c'], 0, 1), ['b', 'a', 'c']);
  assert.deepEqual(movedItem(['a', 'b', 'c'], 2, -1), ['a', 'c', 'b']);
  assert.deepEqual(movedItem(['a', 'b'], 1, 1), ['a', 'b']);
});

test('a fault finds its field, and its place in words', () => {
  const known = [
    '/body',
    '/buttons',
    '/buttons/1/label',
    '/media',
    '/media/caption',
    '/variables/a',
  ];
  assert.equal(fieldOf('/params/buttons/1/label', known), '/buttons/1/label');
  assert.equal(fieldOf('/buttons/0/id', known), '/buttons');
  assert.equal(fieldOf('/media/url', known), '/media');
  assert.equal(fieldOf('/media/caption', known), '/media/caption');
  assert.equal(fieldOf('/variables/a', known), '/variables/a');
  const said = {
    '/body': 'Body',
    '/buttons/1/label': 'Button 2',
    '/buttons': 'Buttons',
    '/sections/0/rows/2/title': 'Section 1, row 3',
    '/sections/1/title': 'Section 2',
    '/media/caption': 'Caption',
    '/media/url': 'Media',
    '/variables/order_id': 'Value of order_id',
    '': '',
  };
  for (const [pointer, place] of Object.entries(said)) assert.equal(placeOf(pointer), place);
});

/** The pieces of a text, as one line: `bold(…)`. */
function shape(text, missing) {
  const line = ({ kind, text: own, children }) => {
    return kind === 'text' ? own : `${kind}(${own ?? children.map(line).join('')})`;
  };
  return piecesOf(text, missing).map(line).join('');
}

test('texts look as WhatsApp shows them', () => {
  const looks = {
    '*bold* _italic_ ~gone~': 'bold(bold) italic(italic) strike(gone)',
    '```a *b*\nc```': 'mono(a *b*\nc)',
    '*_both_*': 'bold(italic(both))',
    '(*in signs*), and*not*here': '(bold(in signs)), and*not*here',
    snake_case_name: 'snake_case_name',
    '2 * 3 * 4': '2 * 3 * 4',
    '*open': '*open',
    '*two\nlines*': '*two\nlines*',
    '* blank*': '* blank*',
    '**': '**',
    '***': '***',
    '``````': '``````',
    '*a* b*': 'bold(a) b*',
    '*a_b*_': 'bold(a_b)_',
    '_{{order_id}} is_ on': 'italic({{order_id}} is) on',
    '*é*é': '*é*é',
    '😀*x*😀': '😀bold(x)😀',
  };
  for (const [text, look] of Object.entries(looks)) assert.equal(shape(text), look, text);
});

test('placeholders without a value stand out, others are text', () => {
  assert.equal(
    shape('*{{a}}* {{b}} ```{{a}}```', ['a']),
    'bold(missing({{a}})) {{b}} mono(missing({{a}}))',
  );
});

test('no text is lost, and a hostile one takes no time', () => {
  const words = (pieces) => pieces.map(({ text, children }) => text ?? words(children)).join('');
  for (const text of ['a *b* _c ~d~_ {{e}}', '*'.repeat(50) + 'x', '<b>&amp;</b> _x_']) {
    const marks = /[*_~`]/g;
    assert.equal(words(piecesOf(text, ['e'])).replace(marks, ''), text.replace(marks, ''));
  }
  for (const sign of ['*', '_', '*a ', '_~*', '```', '{{', ' *x']) {
    const text = sign.repeat(8_000);
    assert.ok(words(piecesOf(text)).length > 0);
  }
});

test('templates are narrowed by type, status and name', () => {
  const asked = templateQuestion({ type: 'text', status: 'active', merchantId: 'm' });
  assert.deepEqual(asked.parts.all, { merchant_id: 'm', type: 'text', status: 'active' });
  assert.ok(asked.accepts({ type: 'text', status: 'active' }));
  assert.ok(!asked.accepts({ type: 'text', status: 'draft' }));
  const all = templateQuestion({ type: '', status: '', merchantId: null });
  assert.deepEqual(all.parts.all, {});
  assert.ok(templateMatches(BUTTONS, 'ready'));
  assert.ok(templateMatches(BUTTONS, 'Order ready'));
  assert.ok(!templateMatches(BUTTONS, 'payment'));
  assert.equal(gist({ header: 'A', body: 'b\n\nc' }), 'A · b c');
  assert.equal(gist({ header: null, body: null, media: { url: 'https://h/x' } }), 'https://h/x');
});

class FakeHub extends Emitter {
  status = { state: 'live' };
  calls = [];

  call(method, params) {
    return new Promise((resolve, reject) => {
      this.calls.push({ method, params, resolve, reject });
    });
  }

  become(state) {
    this.status = { state };
    this.emit('status', this.status);
  }
}

const answer = (body) => ({
  content: { body },
  errors: [],
  missing: [],
  warnings: [],
  preview: {},
});

function preview() {
  const hub = new FakeHub();
  const clock = new FakeClock();
  const live = new LivePreview(hub, clock);
  const type = async (body) => live.show({ template: { body } });
  return { hub, clock, live, type, body: () => live.store.value.result?.content.body };
}

test('the preview is asked once the keys rest, and the first time at once', async () => {
  const { hub, clock, type, body } = preview();
  await type('a');
  clock.pass(0);
  assert.equal(hub.calls.length, 1);
  hub.calls[0].resolve(answer('a'));
  await settled();
  assert.equal(body(), 'a');
  await type('ab');
  clock.pass(60);
  await type('abc');
  clock.pass(60);
  assert.equal(hub.calls.length, 1);
  clock.pass(60);
  assert.deepEqual(hub.calls[1].params, { template: { body: 'abc' } });
});

test('the latest wins: one question at a time, and the last one is asked', async () => {
  const { hub, clock, live, type, body } = preview();
  await type('a');
  clock.pass(0);
  for (const text of ['ab', 'abc', 'abcd']) {
    await type(text);
    clock.pass(500);
  }
  assert.equal(hub.calls.length, 1);
  hub.calls[0].resolve(answer('a'));
  await settled();
  assert.ok(live.store.value.pending);
  clock.pass(0);
  assert.deepEqual(
    hub.calls.map(({ params }) => params.template.body),
    ['a', 'abcd'],
  );
  hub.calls[1].resolve(answer('abcd'));
  await settled();
  assert.equal(body(), 'abcd');
  assert.ok(!live.store.value.pending);
});

test('the same question is asked once, unless what it is about has changed', async () => {
  const { hub, clock, live, type } = preview();
  await type('a');
  clock.pass(500);
  hub.calls[0].resolve(answer('a'));
  await settled();
  await type('a');
  clock.pass(500);
  assert.equal(hub.calls.length, 1);
  live.show({ template: { body: 'a' } }, true);
  clock.pass(500);
  assert.equal(hub.calls.length, 2);
});

test('a preview that was lost with the connection is asked again', async () => {
  const { hub, clock, live, type, body } = preview();
  await type('a');
  clock.pass(0);
  hub.become('waiting');
  hub.calls[0].reject(new HubError('gone', { code: 'closed' }));
  await settled();
  await type('ab');
  clock.pass(5_000);
  assert.equal(hub.calls.length, 1);
  assert.equal(live.store.value.problem, '');
  hub.become('live');
  clock.pass(0);
  assert.equal(hub.calls[1].params.template.body, 'ab');
  hub.calls[1].resolve(answer('ab'));
  await settled();
  assert.equal(body(), 'ab');
});

test('what the hub cannot read at all is a fault of the template', async () => {
  const { hub, clock, live, type, body } = preview();
  await type('a');
  clock.pass(0);
  hub.calls[0].resolve(answer('a'));
  await settled();
  await type('x'.repeat(9_000));
  clock.pass(500);
  const errors = [{ pointer: '/params/template/body', message: 'is too long' }];
  hub.calls[1].reject(new HubError('no', { code: 'invalid_params', errors }));
  await settled();
  assert.deepEqual(live.store.value.errors, [{ pointer: '/body', message: 'is too long' }]);
  assert.equal(body(), 'a');
  clock.pass(10_000);
  assert.equal(hub.calls.length, 2);
});

test('a hub that is too busy is asked again after the time that it names', async () => {
  const { hub, clock, live, type } = preview();
  await type('a');
  clock.pass(0);
  hub.calls[0].reject(new HubError('slow down', { code: 'rate_limited', retryAfter: 3 }));
  await settled();
  assert.match(live.store.value.problem, /3 s/);
  clock.pass(2_999);
  assert.equal(hub.calls.length, 1);
  clock.pass(1);
  assert.equal(hub.calls.length, 2);
  hub.calls[1].resolve(answer('a'));
  await settled();
  assert.equal(live.store.value.problem, '');
  live.stop();
  await type('b');
  clock.pass(500);
  assert.equal(hub.calls.length, 2);
});

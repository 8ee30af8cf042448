import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspectPlaceholders, type Known, match, render } from './matching.ts';

const NOW = 1_800_000_000_000;
const knowing = (values: object = {}): Known => ({ values: new Map(Object.entries(values)), now: () => NOW });
const differs = (expected: unknown, actual: unknown, known = knowing()): boolean =>
  match(expected, actual, known, 'body').length > 0;

describe('An answer is compared with its recording', () => {
  test('value for value and key for key, in their order', () => {
    const body = { a: 1, b: ['x', null], c: { d: true } };
    assert.ok(!differs(body, structuredClone(body)));
    for (const other of [
      { ...body, a: 2 },
      { ...body, a: '1' },
      { ...body, e: 1 },
      { a: 1, b: ['x', null] },
      { b: ['x', null], a: 1, c: { d: true } },
      { ...body, b: ['x'] },
      { ...body, b: ['x', undefined] },
      { ...body, b: { 0: 'x', 1: null } },
      { ...body, c: null },
      [],
      null,
      'x',
    ]) {
      assert.ok(differs(body, other), JSON.stringify(other));
    }
  });

  test('a key that may be missing is compared when it is there', () => {
    assert.ok(!differs({ a: 1, 'b?': 2 }, { a: 1 }));
    assert.ok(!differs({ a: 1, 'b?': 2 }, { a: 1, b: 2 }));
    assert.ok(differs({ a: 1, 'b?': 2 }, { a: 1, b: 3 }));
    assert.ok(differs({ a: 1, 'b?': 2 }, { b: 2, a: 1 }));
  });

  test('each kind of value takes its own and nothing else', () => {
    const uuid = '0f5c7e0a-1111-4222-8333-000000000000';
    const right: [string, unknown][] = [
      ['{{any}}', null],
      ['{{int}}', 7],
      ['{{ms}}', NOW - 1000],
      ['{{now+60000}}', NOW + 60_000],
      ['{{datetime+60000}}', '2027-01-15T08:01:00.000'],
      ['{{string}}', 'x'],
      ['{{text}}', ''],
      ['{{uuid}}', uuid],
      ['{{jwt}}', 'a.b.c'],
      ['{{one|other}}', 'other'],
      ['Bearer {{token}}, {{digits}}', 'Bearer x-y, 12'],
    ];
    for (const [expected, actual] of right) assert.ok(!differs(expected, actual), expected);
    const wrong: [string, unknown][] = [
      ['{{int}}', '7'],
      ['{{int}}', 7.5],
      ['{{ms}}', NOW / 1000],
      ['{{ms}}', NOW + 86_400_000],
      ['{{now+60000}}', NOW],
      ['{{now+60000}}', '1800000060000'],
      ['{{datetime+60000}}', '2027-01-15T08:00:00.000'],
      ['{{datetime+60000}}', 'soon'],
      ['{{string}}', ''],
      ['{{string}}', 7],
      ['{{uuid}}', `${uuid}0`],
      ['{{jwt}}', 'a.b'],
      ['{{one|other}}', 'another'],
      ['a.c', 'abc'],
      ['Bearer {{token}}', 'Bearer x y'],
    ];
    for (const [expected, actual] of wrong) assert.ok(differs(expected, actual), expected);
  });

  test('captured values are compared as they are', () => {
    const known = knowing();
    assert.ok(!differs({ id: '{{id=int}}', key: '{{key=token}}' }, { id: 7, key: 'a+b' }, known));
    assert.ok(!differs({ id: '{{$id}}', text: '<{{$key}}>' }, { id: 7, text: '<a+b>' }, known));
    assert.ok(differs('{{$id}}', '7', known));
    assert.ok(differs('<{{$key}}>', '<aab>', known));
    assert.throws(() => match('{{$nothing}}', 'x', known, 'body'), /nothing was captured as nothing/);
    assert.throws(() => match('{{nonsense}}', 'x', known, 'body'), /no kind/);
    assert.deepEqual(inspectPlaceholders({ a: '{{$b}} {{c=int}} {{nonsense}}' }), {
      captured: ['c'],
      recalled: ['b'],
      unknown: ['{{nonsense}}'],
    });
  });
});

test('a request is what is recorded, with what is known in it', () => {
  const known = knowing({ token: 'x', id: 7 });
  assert.equal(
    render('{"id":{{$id}},"e":{{now+1}},"d":"{{datetime+0}}","o":{"p":{}}}', known),
    '{"id":7,"e":1800000000001,"d":"2027-01-15T08:00:00.000","o":{"p":{}}}',
  );
  assert.throws(() => render('{{$nothing}}', known), /nothing was captured/);
  assert.throws(() => render('{{string}}', known), /cannot stand in a request/);
});

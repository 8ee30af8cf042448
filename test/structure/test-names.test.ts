import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const LONGEST = 80;
/** What a `${…}` counts for in a name. */
const PLACEHOLDER = '0123456789';

const TITLE =
  /(?<![\w.])(?:t\.)?(?:test|it|describe|suite)(?:\.(?:only|skip|todo))?\(\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)/g;

/** Ids of threats may stand before a name. */
const OPENING =
  /^(?:[A-Z]{1,2}-?\d+ )*(?:and |but |also )?(?:what|whatever|whoever|whichever|somebody|someone|nobody|no one|anybody|everybody)\b/i;
const WORDS =
  /\b(?:whoever|somebody|nobody|none of|hitherto|thereof|thus|of no use|now)\b|\bno longer\b(?! than)|(?<!there )\b(?:is|are|was|were) (?:no|none)\b(?! longer than)/i;

/** What is wrong with the name of a test; `undefined` when it is plain and says one thing. */
function complaint(name: string): string | undefined {
  if (name.length > LONGEST) return `${name.length} characters, and ${LONGEST} are allowed`;
  if (OPENING.test(name)) return 'begins with a pronoun: name the party or the thing';
  const word = WORDS.exec(name);
  if (word) return `"${word[0]}" is not plain: say "is not a", or name the party`;
  if (name.includes(';')) return 'a semicolon: one test claims one thing';
  return undefined;
}

const names = globSync('test/**/*.ts').flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(TITLE)].map(([, literal = '']) => ({
    file,
    name: literal
      .slice(1, -1)
      .replaceAll(/\$\{[^}]*\}/g, PLACEHOLDER)
      .replaceAll(/\\(.)/g, '$1'),
  })),
);

test('every test name is short, plain and one claim', () => {
  assert.ok(names.length > 1_000);
  const wrong = names.flatMap(({ file, name }) => {
    const why = complaint(name);
    return why === undefined ? [] : [`${file}: "${name}": ${why}`];
  });
  assert.deepEqual(wrong, []);
});

for (const name of [
  'a name that goes on and on about this and about that and also about another thing',
  'MT-02 nobody sees the tokens of another',
  'what ends stays ended',
  'an application is no user',
  'a code is good once; then it is dead',
]) {
  test(`a name is refused: ${name.slice(0, 30)}…`, () => assert.notEqual(complaint(name), undefined));
}

/**
 * Words that make a reader stop, in texts that people read: documents, pages, comments and messages. What the rest of a
 * sentence says is not checked here.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');

/** What not to write, and what to write instead. */
const banned: readonly (readonly [RegExp, string])[] = [
  [/(?<!\b[Tt]here )\b(?:is|are|was|were) no\b(?! longer)/gi, 'is not a'],
  [/\b(?:is|are|was|were) none\b/gi, 'is not one of them'],
  [/\b(?:whoever|somebody|nobody|anybody)\b/gi, 'the party: client, person, operator, caller'],
  [/\b(?:hitherto|thereof|therein|thereby|thus|hereby|herein|whereby|lest)\b/gi, 'a common word'],
  [/\bno longer\b/gi, 'not, or what is true instead'],
  // Not the name of a parameter or member.
  [/\b(?<![-/.`{]|@param |^')now\b(?![-/(`]|'$)/gim, 'nothing: the text says what is'],
];

/** What clients and operators are told: the text of an error, a refusal or an answer. */
const TOLD =
  /(?:\bnew [A-Z]\w+\([^;]*?\bdescription:|\berror_description:|\bRefusal\(\s*\d+,|\b(?:Access|Permissions)Error\(\s*'\w+',|\btold\(\): string \{\s*return (?:this\.description \?\?)?)\s*(['`])((?:\\.|(?!\1)[^\\])*)\1/g;

function filesBelow(path: string, extension: RegExp): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => extension.test(name))
    .map((name) => join(path, name));
}

/** Comments and quoted texts of a program, without its code, in which `now` and `nobody` are names. */
function prose(program: string): string {
  const parts = program.match(
    /\/\*[\s\S]*?\*\/|\/\/.*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
  );
  return parts?.join('\n') ?? '';
}

/** Comments alone, for code whose texts are names of things that are not there. */
function comments(program: string): string {
  return program.match(/(?<=^|\s)(?:\/\*[\s\S]*?\*\/|\/\/ .*)/gm)?.join('\n') ?? '';
}

function findings(path: string, text: string): string[] {
  return banned.flatMap(([words, instead]) =>
    [...text.matchAll(words)].map(({ 0: found, index }) => {
      const line = text.slice(text.lastIndexOf('\n', index - 1) + 1).split('\n', 1)[0];
      return `${relative(ROOT, path)}: "${found}", better: ${instead}\n    ${line?.trim()}`;
    }),
  );
}

describe('words', () => {
  test('documents and pages do not use banned words', () => {
    const paths = [
      join(ROOT, 'README.md'),
      ...filesBelow(join(ROOT, 'docs'), /\.md$/),
      ...filesBelow(join(ROOT, 'views'), /\.eta$/),
    ];
    assert.ok(paths.length > 15);
    assert.deepEqual(
      paths.flatMap((path) => findings(path, readFileSync(path, 'utf8'))),
      [],
    );
  });

  for (const folder of ['src', 'adapters', 'examples']) {
    test(`comments and messages of ${folder} do not use banned words`, () => {
      const paths = filesBelow(join(ROOT, folder), /\.ts$/);
      assert.deepEqual(
        paths.flatMap((path) => findings(path, prose(readFileSync(path, 'utf8')))),
        [],
      );
    });
  }

  test('comments of bench and test do not use banned words', () => {
    // Those of structure list the words.
    const paths = ['bench', 'test']
      .flatMap((folder) => filesBelow(join(ROOT, folder), /\.ts$/))
      .filter((path) => !path.startsWith(import.meta.dirname));
    assert.ok(paths.length > 200);
    assert.deepEqual(
      paths.flatMap((path) => findings(path, comments(readFileSync(path, 'utf8')))),
      [],
    );
  });

  test('error texts that clients see are whole sentences', () => {
    const faces = join(ROOT, 'src', 'faces');
    // Faces speak as the older API did.
    const texts = filesBelow(join(ROOT, 'src'), /\.ts$/)
      .filter((path) => !path.startsWith(faces))
      .flatMap((path) =>
        [
          ...readFileSync(path, 'utf8')
            .replaceAll(/' \+\s*'/g, '')
            .matchAll(TOLD),
        ].map(([, , text = '']) => text),
      );
    assert.ok(texts.length > 100, String(texts.length));
    // A sentence may begin with the name of a parameter.
    assert.deepEqual(
      texts.filter((text) => !/^(?:[A-Z`$]|[a-z]+_[a-z_]+ ).* .*\.$/.test(text)),
      [],
    );
  });
});

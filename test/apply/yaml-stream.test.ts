/** Large files are read entry by entry, which gives what reading them whole gives. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { readYaml } from '../../src/apply/yaml-document.ts';
import { childEnv } from '../support/programs.ts';
import fc from '../support/properties.ts';

/** Megabytes of JavaScript values. The tree of the file takes twice as much. */
const HEAP_MB = 30;
const APPLICATIONS = 2_000;

const name = fc.stringMatching(/^[a-z]{1,8}$/);
const scalar = fc.oneof(
  name,
  fc.boolean(),
  fc.integer(),
  fc.constantFrom('a b', '- x', 'a: b', '# no', '*', "it's", '{', 'two\nlines', '7', ''),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 6 }, scalar, tie('list'), tie('map')),
  list: fc.array(tie('tree'), { maxLength: 4 }),
  map: fc.dictionary(name, tie('tree'), { maxKeys: 4 }),
}));
const file = fc.dictionary(name, tree, { minKeys: 1, maxKeys: 4 });

test('reading entry by entry gives what the library reads as a whole', () => {
  const styles = fc.record({
    collectionStyle: fc.constantFrom('any' as const, 'flow' as const),
    defaultStringType: fc.constantFrom('PLAIN' as const, 'QUOTE_DOUBLE' as const),
    indentSeq: fc.boolean(),
    lineWidth: fc.constantFrom(0, 20),
  });
  fc.assert(
    fc.property(file, styles, fc.boolean(), (value, style, asJson) => {
      const text = asJson ? `${JSON.stringify(value)}\n` : `# a file\n${stringify(value, style)}`;
      const { value: read, problems } = readYaml(text);
      if (problems.length === 0) assert.deepEqual(read, parse(text));
    }),
    { numRuns: 500 },
  );
});

const LIST = 'a:\n  - {b: 1}\n  - {c: 2}\n';

test('no text in a file is taken for an entry that was read before', () => {
  const entries = { a: [{ b: 1 }, { c: 2 }] };
  const escaped = readYaml(`${LIST}d: "\\uE000entry 0"\n`);
  assert.deepEqual(escaped, { ...escaped, value: { ...entries, d: '\uE000entry 0' }, problems: [] });
  const folded = readYaml(`${LIST}d: \uE000entry\n  0\n`);
  assert.deepEqual(
    folded.problems.map(({ message }) => message),
    ['a value of several lines must stand in quotes'],
  );
});

test('a tab before an entry is a problem, as in a file that is read as a whole', () => {
  const { problems } = readYaml('a:\n  - \tb: 1\n  - c: 2\n');
  assert.deepEqual(problems, [{ line: 2, column: 4, message: 'Tabs are not allowed as indentation' }]);
});

test('a block in brackets is a problem, as in a file that is read whole', () => {
  const { problems } = readYaml('a: [{b: c}, : d: e, f]\n');
  assert.deepEqual(
    problems.map(({ message }) => message),
    ['Block collections are not allowed within flow collections'],
  );
});

test('a problem in an entry is told with its place in the file', () => {
  const entry = (given: string): string => `  - name: ${given}\n    scopes: [a, b]\n`;
  const text = `organizations:\n${entry('a')}${entry('b')}${entry('c')}`;
  assert.deepEqual(readYaml(text).at(['organizations', 1, 'scopes', 1], 'x'), {
    line: 5,
    column: 17,
    message: 'x',
  });
  const twice = readYaml(text.replace('name: b\n', 'name: b\n    name: b\n'));
  assert.deepEqual(twice.problems, [{ line: 5, column: 5, message: 'name is there twice' }]);
});

test('a large file is read in little memory, as YAML and as JSON', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-yaml-'));
  t.after(() => rm(folder, { recursive: true }));
  const rights = { create: true, read: true };
  const applications = Array.from({ length: APPLICATIONS }, (_, index) => ({
    name: `app-${index}`,
    clientId: `client-${index}`,
    clientSecret: `secret-of-client-${index}-`.padEnd(40, 'x'),
    grants: ['client_credentials', 'token_exchange'],
    resource: 'https://api.acme.example/',
    permissions: { tables: { orders: rights, products: rights } },
  }));
  const value = {
    organizations: [
      {
        name: 'acme',
        resources: [
          { identifier: 'https://api.acme.example/', tables: [{ id: 'orders' }, { id: 'products' }] },
        ],
        applications,
      },
    ],
  };
  const module = new URL('../../src/apply/file.ts', import.meta.url).href;
  for (const text of [stringify(value, { aliasDuplicateObjects: false }), `${JSON.stringify(value)}\n`]) {
    const path = join(folder, 'large');
    await writeFile(path, text);
    const code = `const { loadApplyFile } = await import(${JSON.stringify(module)});
      console.log(loadApplyFile(${JSON.stringify(path)}).organizations[0].applications.length);`;
    const flags = [`--max-old-space-size=${HEAP_MB}`, '--max-semi-space-size=1', '--input-type=module'];
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, '-e', code], { env: childEnv });
    assert.equal(stdout, `${APPLICATIONS}\n`);
  }
});

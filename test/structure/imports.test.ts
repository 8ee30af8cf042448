/** How the files of `src` and `adapters` depend on each other. Imports of types count too. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { findCircles, importsOf, readImports } from './imports.ts';

test('no files import each other in a circle, not for a type either', async () => {
  assert.deepEqual(findCircles(await readImports(['src', 'adapters'])), []);
});

/** What the published libraries take from the server: pure, and so the same on both sides. */
const SHARED_WITH_LIBRARIES = [
  /^src\/permissions\//,
  /^src\/errors\//,
  /^src\/registry\/(?:compact-jws|nodes)\.ts$/,
  /^src\/(?:storage\/defined|nouns\/signing-algs)\.ts$/,
];

/** What `admin-client` takes beside: types, and what it does as `client` does. */
const OF_ADMIN_CLIENT = /^src\/(?:admin\/operations\/(?:index|operation)|client\/endpoint)\.ts$/;

/** @returns the folders of src in import order, as docs/architecture.md lists them; '' for the files of src itself */
async function readOrder(): Promise<string[]> {
  const page = await readFile(new URL('../../docs/architecture.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `src/'));
  return rows.flatMap((row) =>
    [
      ...row
        .split('|', 2)
        .join('')
        .matchAll(/`src\/([\w-]*)`/g),
    ].map(([, name = '']) => name),
  );
}

function folderOf(file: string): string {
  return /^src\/([\w-]+)\//.exec(file)?.[1] ?? '';
}

test('a folder imports only from folders below it in docs/architecture.md', async () => {
  const order = await readOrder();
  const libraries = ['admin-client', 'resource-server', 'client'];
  assert.deepEqual(order.slice(-3), libraries);
  const found: string[] = [];
  for (const [file, imported] of await readImports(['src'])) {
    const [from, place] = [folderOf(file), order.indexOf(folderOf(file))];
    assert.notEqual(place, -1, file);
    for (const other of imported.filter((each) => each.startsWith('src/') && folderOf(each) !== from)) {
      const isBelow = order.indexOf(folderOf(other)) > place;
      const isShared = SHARED_WITH_LIBRARIES.some((paths) => paths.test(other));
      const isOwn = OF_ADMIN_CLIENT.test(other) && from === 'admin-client';
      const mayImport = libraries.includes(from) ? isShared || isOwn : isBelow;
      if (!mayImport) found.push(`${file} imports ${other}`);
    }
  }
  assert.deepEqual(found, []);
});

test('the shell around all answers imports nothing of tokens', async () => {
  const ofTokens = /^src\/(?:tokens|keys|registry)\/|^src\/clients\/(?!form\.ts)/;
  const found = [...(await readImports(['src/http']))].flatMap(([file, imported]) =>
    imported.filter((other) => ofTokens.test(other)).map((other) => `${file} imports ${other}`),
  );
  assert.deepEqual(found, []);
});

test('adapters import only the contracts that they fulfil', async () => {
  const allowed = {
    'adapters/storage/': /^src\/(?:storage|nouns)\//,
    'adapters/datasources/': /^src\/(?:datasources\/connector|storage\/defined)\.ts$/,
  };
  for (const [folder, contract] of Object.entries(allowed)) {
    for (const [file, imported] of await readImports([folder])) {
      const others = imported.filter((each) => !each.startsWith(folder) && !contract.test(each));
      assert.deepEqual(others, [], file);
    }
  }
});

test('an import is found whichever way it is written', () => {
  const text = `
import type { One } from './one.ts';
export {
  two,
} from '../two.ts';
import './three.ts';
import koa from 'koa';
const four = await import('./four.ts');
type Five = typeof import('./five.ts').five;
`;
  const names = ['src/a/five.ts', 'src/a/four.ts', 'src/a/one.ts', 'src/a/three.ts', 'src/two.ts'];
  assert.deepEqual(importsOf('src/a/b.ts', text), names);
});

test('a circle is found with the files that it leads through', () => {
  const imports = new Map([
    ['a', ['b', 'd']],
    ['b', ['c']],
    ['c', ['a']],
    ['d', ['e']],
    ['e', ['f']],
    ['f', ['e']],
  ]);
  assert.deepEqual(findCircles(imports), [
    ['a', 'b', 'c'],
    ['e', 'f'],
  ]);
});

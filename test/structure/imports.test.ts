/** How the files of `src` and `adapters` depend on each other. Imports of types count too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findCircles, importsOf, readImports } from './imports.ts';

/** Circles that are still there, each as its files in order. Take out what was mended; add nothing. */
const KNOWN_CIRCLES = [
  ['src/config/apply-contradictions.ts', 'src/config/apply-rights.ts'],
  ['src/config/config.ts', 'src/config/options.ts'],
  ['src/storage/contract.ts', 'src/storage/dump.ts'],
];

test('no files import each other in a circle, not for a type either', async () => {
  assert.deepEqual(findCircles(await readImports(['src', 'adapters'])), KNOWN_CIRCLES);
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

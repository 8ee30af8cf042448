/** Ids in sources and test names (`RT-02`, `E9`) are explained in docs/threats.md, and what it names exists. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const ID = /\b[A-Z]{2}-\d{2}\b/g;
/** Ids of faults are too short to be looked for outside of the names of tests. */
const FAULT = /(?<=\btest\(\s*['"`](?:[A-Z]{2}-\d{2} )*)E\d{1,2}\b/g;

const page = readFileSync(join(ROOT, 'docs', 'threats.md'), 'utf8');
const rows = page.split('\n').filter((line) => /^\| (?:[A-Z]{2}-\d{2}|E\d{1,2}) \|/.test(line));
const listed = rows.map((row) => row.split(' ')[1] ?? '');

function textsBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:ts|json)$/.test(name))
    .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'));
}

test('every id in sources and test names is listed once in docs/threats.md', () => {
  const texts = ['src', 'adapters', 'test', 'bench'].flatMap(textsBelow);
  const used = new Set(texts.flatMap((text) => [...(text.match(ID) ?? []), ...(text.match(FAULT) ?? [])]));
  assert.ok(used.size > 100);
  assert.deepEqual(
    [...used].filter((id) => !listed.includes(id)),
    [],
  );
  assert.equal(new Set(listed).size, listed.length);
});

test('every test file that docs/threats.md names is there and has the id', () => {
  for (const row of rows) {
    const [, id = ''] = row.split(' ');
    const files = [...row.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file);
    assert.ok(files.length > 0, row);
    for (const file of files) {
      assert.ok(existsSync(join(ROOT, file)), `${id}: ${file}`);
      assert.ok(readFileSync(join(ROOT, file), 'utf8').includes(id), `${file} does not have ${id}`);
    }
  }
});

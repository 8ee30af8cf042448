/** docs/architecture.md speaks of the tree as it is. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8');

test('every folder of src has its row in docs/architecture.md', () => {
  const rows = page.split('\n').flatMap((line) => /^\| (`src\/[^|]+)\|/.exec(line)?.[1] ?? []);
  const described = rows.flatMap((row) => [...row.matchAll(/`src\/([\w-]+)`/g)].map(([, name]) => name));
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  assert.deepEqual(described.sort(), folders.map(({ name }) => name).sort());
});

test('every path that docs/architecture.md names is there', () => {
  const paths = [...page.matchAll(/`((?:src|adapters|test|bench|views)\/[\w./-]*)`/g)].map(
    ([, path = '']) => path,
  );
  assert.ok(paths.length > 30);
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});

test('the file to start with in a folder says in its header what the folder owns', () => {
  const starts = page.split('\n').flatMap((line) => {
    const cell = /^\| `src\/[\w-]+`[^|]*\|([^|]+)\|/.exec(line)?.[1] ?? '';
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
  });
  assert.ok(starts.length > 20);
  const headless = starts.filter((path) => !readFileSync(join(ROOT, path), 'utf8').startsWith('/**\n'));
  assert.deepEqual(headless, []);
});

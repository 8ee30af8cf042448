import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { options } from '../../src/config/options.ts';
import { configurationDocs, renderConfigurationDocs } from '../../src/config/write-docs.ts';

const SOURCES = join(import.meta.dirname, '..', '..', 'src');
const text = readFileSync(configurationDocs, 'utf8');

test('docs/configuration.md is what `npm run docs` writes', () => {
  assert.equal(text, renderConfigurationDocs());
});

test('every option has its row', () => {
  for (const { name } of Object.values(options)) assert.ok(text.includes(`\n| \`${name}\` |`), name);
});

test('every key of the apply file has a meaning', () => {
  const rows = text.slice(text.indexOf('### The file')).match(/^\| `.*$/gm) ?? [];
  assert.ok(rows.length > 50);
  for (const row of rows) assert.match(row, /^\| `[^`]+`(?: \(needed\))? \| \S.* \| \S.*\. \|$/);
});

test('each forwarding header that the page says is believed is read', () => {
  const reads = readFileSync(join(SOURCES, 'http', 'request-facts.ts'), 'utf8');
  const named = [...text.matchAll(/`(X-Forwarded-\w+)`/g)].map(([, header = '']) => header);
  assert.deepEqual([...new Set(named)], ['X-Forwarded-For']);
  for (const header of named) assert.ok(reads.includes(`'${header.toLowerCase()}'`), header);
});

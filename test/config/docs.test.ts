import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { options } from '../../src/config/options.ts';
import { configurationDocs, renderConfigurationDocs } from '../../src/config/write-docs.ts';

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

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ignoredPrefixes, type Option, options } from '../../src/config/options.ts';
import { written } from '../../src/write-docs.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SOURCES = join(ROOT, 'src');
const text = readFileSync(join(ROOT, 'docs', 'configuration.md'), 'utf8');

for (const [path, render] of Object.entries(written)) {
  test(`${path} is what \`npm run docs\` writes`, () => {
    assert.equal(readFileSync(join(ROOT, path), 'utf8'), render());
  });
}

test('the JSON Schema of the apply file explains every key', () => {
  const unexplained: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const { properties = {}, ...others } = value as { properties?: Record<string, { description?: string }> };
    for (const [key, inner] of Object.entries(properties)) {
      if (inner.description === undefined) unexplained.push(`${path}.${key}`);
      visit(inner, `${path}.${key}`);
    }
    for (const inner of Object.values(others)) visit(inner, path);
  };
  visit(JSON.parse(readFileSync(join(ROOT, 'docs', 'apply.schema.json'), 'utf8')), '');
  // The text above the tables explains permissions and JSON Web Key Sets are a standard of their own.
  const known = /\.(?:isAdmin|tables|create|read|update|delete|keys)$/;
  assert.deepEqual(
    unexplained.filter((path) => !known.test(path)),
    [],
  );
});

test('every option has its row', () => {
  for (const { name } of Object.values(options)) assert.ok(text.includes(`\n| \`${name}\` |`), name);
});

test('every insecure choice and the sample of an apply file are on the page', () => {
  const all: readonly Option[] = Object.values(options);
  for (const { name, insecure, refusedInProduction } of all) {
    for (const rule of [insecure, refusedInProduction]) {
      if (rule) assert.ok(text.includes(`\n- \`${name}\`: ${rule.says}\n`), rule.says);
    }
  }
  assert.ok(text.includes(readFileSync(join(ROOT, 'docs', 'apply.sample.yaml'), 'utf8')));
  for (const prefix of ignoredPrefixes) assert.ok(text.includes(`\`${prefix}\``), prefix);
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

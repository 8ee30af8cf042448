import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

test('properties are tried with a seed, so that no run differs from the one before', () => {
  const imports = (file: string) => /from '[f]ast-check'/.test(readFileSync(file, 'utf8'));
  assert.deepEqual(globSync('test/**/*.ts').filter(imports), ['test/support/properties.ts']);
});

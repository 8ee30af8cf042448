import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defined } from '../../src/storage/defined.ts';

test('only members that are undefined are left out', () => {
  const members = defined({ a: undefined, b: null, c: false, d: '', e: 0 });
  assert.deepEqual(members, { b: null, c: false, d: '', e: 0 });
  assert.ok(!('a' in members));
});

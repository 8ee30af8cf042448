/** How tables of a database are named in tokens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableIdOf } from '../../src/datasources/table-id.ts';

test('a table outside of the default schema has its schema in its id', () => {
  assert.equal(tableIdOf('public', 'orders', 'public'), 'orders');
  assert.equal(tableIdOf('sales', 'orders', 'public'), 'sales.orders');
  assert.equal(tableIdOf('sales', 'orders', 'sales'), 'orders');
  assert.equal(tableIdOf(undefined, 'a.b', 'main'), 'a.b');
});

test('a name with a dot is never taken for a table of another schema', () => {
  assert.equal(tableIdOf('public', 'sales.orders', 'public'), 'public.sales.orders');
});

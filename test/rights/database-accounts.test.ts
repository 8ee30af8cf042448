import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHolder } from '../../src/rights/database-accounts.ts';

const table = { roles: [], roleMap: [{ value: 'staff', role: 'r1' }], claims: [] };
const from = (...columns: string[]) => ({
  ...table,
  claims: columns.map((column) => ({ claim: 'c', column })),
});

describe('a person in a user table, as a party that has rights', () => {
  test('values are known by column, whatever claim they are copied into', () => {
    const { roles, claims } = toHolder(from('customer', 'vip'), 's', 'ann', {
      groups: ['staff', 'other'],
      columns: { customer: '42', vip: false },
    });
    assert.deepEqual(roles, ['r1']);
    assert.deepEqual(
      claims,
      new Map<string, unknown>([
        ['customer', '42'],
        ['vip', false],
      ]),
    );
  });

  test('a column from which the table copies no claim has no value', () => {
    const stored = { groups: [], columns: { customer: '42' } };
    assert.deepEqual(toHolder(from('tenant'), 's', 'ann', stored).claims, new Map());
    assert.deepEqual(toHolder(from('customer'), 's', 'ann', { groups: [] }).claims, new Map());
  });

  test('a column named like a member of every object has no value by itself', () => {
    const names = ['toString', 'hasOwnProperty', 'valueOf'];
    assert.deepEqual(toHolder(from(...names), 's', 'ann', { groups: [], columns: {} }).claims, new Map());
  });
});

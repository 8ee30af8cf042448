import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Alternative, MAX_COMPUTED_ALTERNATIVES } from '../../src/permissions/limits.ts';
import { contains, createPermissions, type Permissions } from '../../src/permissions/permissions.ts';
import { addAgreed } from '../../src/tokens/consent.ts';

const ordersOf = (customer: number): Permissions =>
  createPermissions([['orders', 2, new Alternative(undefined, [['customer', [`${customer}`]]])]]);

test('a consent to one value more always covers that value', () => {
  let agreed = ordersOf(0);
  for (let customer = 1; customer <= 3 * MAX_COMPUTED_ALTERNATIVES; customer += 1) {
    const before = agreed;
    agreed = addAgreed(agreed, ordersOf(customer));
    assert.ok(contains(agreed, ordersOf(customer)), `${customer}`);
    if (customer < MAX_COMPUTED_ALTERNATIVES) assert.ok(contains(agreed, before));
  }
});

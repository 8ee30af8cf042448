import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseAuthorizationDetails,
  toAuthorizationDetails,
} from '../../src/permissions/authorization-details.ts';
import { parseDetailsText } from '../../src/permissions/details.ts';
import { createPermissions, EVERYTHING, isEmpty, NOTHING } from '../../src/permissions/permissions.ts';

const shop = 'https://api.acme.example/';
const orders = createPermissions([['orders', 0b0111]]);

test('authorization details (RFC 9396)', async (t) => {
  const read = (...details: unknown[]) => parseAuthorizationDetails(details, shop).permissions;
  const detail = { type: 'table_access', identifier: 'orders', actions: ['create', 'read', 'update'] };
  const admin = { type: 'table_access', privileges: ['admin'] };

  await t.test('write one detail per table, one for admin, and none for nothing', () => {
    assert.deepEqual(toAuthorizationDetails(orders, shop), [
      {
        type: 'table_access',
        locations: [shop],
        identifier: 'orders',
        actions: ['create', 'read', 'update'],
      },
    ]);
    assert.deepEqual(toAuthorizationDetails(EVERYTHING, shop), [
      { type: 'table_access', locations: [shop], privileges: ['admin'] },
    ]);
    assert.deepEqual(toAuthorizationDetails(NOTHING, shop), []);
  });
  await t.test('may be changed by the caller without changing later ones', () => {
    const [first] = toAuthorizationDetails(orders, shop);
    assert.ok(first !== undefined && 'actions' in first);
    first.actions.push('delete');
    assert.equal(JSON.stringify(toAuthorizationDetails(orders, shop)).includes('delete'), false);
  });
  await t.test('add up over several details of one table', () => {
    const both = read({ ...detail, actions: ['read'] }, { ...detail, actions: ['delete', 'delete'] });
    assert.deepEqual([...both.masks], [['orders', 0b1010]]);
    assert.equal(read(detail, admin), EVERYTHING);
    assert.ok(isEmpty(read()));
  });
  await t.test('name the resource when the request does not', () => {
    const located = { ...detail, locations: [shop] };
    assert.equal(parseAuthorizationDetails([detail], undefined).resource, undefined);
    assert.equal(parseAuthorizationDetails([detail], shop).resource, shop);
    assert.equal(parseAuthorizationDetails([detail, located, admin], undefined).resource, shop);
    assert.equal(
      parseAuthorizationDetails([{ ...admin, locations: [shop, shop] }], undefined).resource,
      shop,
    );
  });
  await t.test('name their resource with or without the slash of an empty path', () => {
    assert.equal(shop, 'https://api.acme.example/');
    read(detail, { ...admin, locations: ['https://api.acme.example'] });
  });
  await t.test('are refused with an error of its own when they speak of another resource', () => {
    const elsewhere = { ...detail, locations: ['https://api.other.example/'] };
    const wrong = { code: 'wrong_location' };
    assert.throws(() => read(elsewhere), wrong);
    assert.throws(() => read(detail, { ...admin, locations: [`${shop}v2`] }), wrong);
    assert.throws(() => read({ ...detail, locations: [shop, 'https://api.other.example/'] }), wrong);
    assert.throws(
      () => parseAuthorizationDetails([{ ...detail, locations: [shop] }, elsewhere], undefined),
      wrong,
    );
  });
  await t.test('are refused when anything in them is not understood', () => {
    const broken: unknown[] = [
      null,
      'table_access',
      [],
      {},
      { ...detail, type: 'payment_initiation' },
      { ...detail, type: undefined },
      { ...detail, datatypes: ['row'] },
      { ...detail, Actions: ['delete'] },
      { ...detail, actions: [] },
      { ...detail, actions: 'read' },
      { ...detail, actions: ['READ'] },
      { ...detail, actions: ['*'] },
      { ...detail, actions: ['read', 1] },
      { ...detail, actions: { 0: 'read', length: 1 } },
      { ...detail, identifier: ['orders'] },
      { ...detail, identifier: '' },
      { ...detail, identifier: '@' },
      { ...detail, identifier: '__proto__' },
      { ...detail, locations: [] },
      { ...detail, locations: shop },
      { ...detail, locations: [null] },
      { ...detail, privileges: ['admin'] },
      { ...admin, identifier: 'orders' },
      { ...admin, actions: ['read'] },
      { ...admin, privileges: [] },
      { ...admin, privileges: ['superuser'] },
      { ...admin, privileges: ['admin', 'superuser'] },
      { type: 'table_access', identifier: 'orders' },
      { type: 'table_access', actions: ['read'] },
      { type: 'table_access', locations: [shop] },
    ];
    for (const entry of broken)
      assert.throws(() => read(detail, entry), { code: 'malformed' }, JSON.stringify(entry));
    for (const value of [undefined, null, {}, detail, 'x', { length: 1, 0: detail }]) {
      assert.throws(() => parseAuthorizationDetails(value, shop), { code: 'malformed' });
    }
    const twice = '[{"type":"table_access","identifier":"a","identifier":"b","actions":["read"]}]';
    assert.throws(() => parseDetailsText(twice, shop), {
      code: 'malformed',
      message: /stands twice/,
    });
  });
});

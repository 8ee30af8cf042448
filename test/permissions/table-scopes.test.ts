import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogueOf } from '../../src/nouns/index.ts';
import { EVERYTHING } from '../../src/permissions/permissions.ts';
import { isTableScope, readTableScope, splitTableScopes } from '../../src/permissions/table-scopes.ts';

const never = () => false;

test('table scopes', async (t) => {
  await t.test('are taken out of a request, the others stay in their order', () => {
    const { permissions: asked, rest } = splitTableScopes(
      ['openid', 'orders:read', 'orders.read', 'orders:create', 'public.users:delete', 'profile'],
      never,
    );
    assert.deepEqual(rest, ['openid', 'orders.read', 'profile']);
    assert.deepEqual(asked && [...asked.masks], [
      ['orders', 0b0011],
      ['public.users', 0b1000],
    ]);
  });
  await t.test('that are absent are told from asking for nothing', () => {
    assert.deepEqual(splitTableScopes(['openid'], never), { permissions: undefined, rest: ['openid'] });
    assert.deepEqual(splitTableScopes([], never), { permissions: undefined, rest: [] });
  });
  await t.test('are percent-decoded and split at the last colon', () => {
    const { permissions: asked } = splitTableScopes(
      ['a:b:read', 'a%3Ab:create', '%E6%B3%A8%E6%96%87:read', '100%25:read'],
      never,
    );
    assert.deepEqual(asked && [...asked.masks], [
      ['100%', 2],
      ['a:b', 3],
      ['注文', 2],
    ]);
  });
  await t.test('ask for admin only as *:admin', () => {
    assert.deepEqual(splitTableScopes(['*:admin', 'orders:read', 'openid'], never), {
      permissions: EVERYTHING,
      rest: ['openid'],
    });
    assert.deepEqual(splitTableScopes(['orders:admin', '%2A:admin'], never), {
      permissions: undefined,
      rest: ['orders:admin', '%2A:admin'],
    });
  });
  await t.test('are never those that the resource or application declares as its own', () => {
    const own = new Set(['orders:read', '*:admin', '%zz:read']);
    const { permissions: asked, rest } = splitTableScopes([...own, 'orders:update'], (scope) =>
      own.has(scope),
    );
    assert.deepEqual(rest, [...own]);
    assert.deepEqual(asked && [...asked.masks], [['orders', 4]]);
  });
  await t.test('are refused when their encoding is broken or no table can have that id', () => {
    for (const scope of [
      '%:read',
      '%zz:read',
      '%E6%B3:read',
      '%C0%80:read',
      '%ED%A0%80:read',
      ':read',
      '%2A:delete',
      '%00:read',
      '__proto__:read',
      '%20a:read',
      `${'x'.repeat(129)}:read`,
    ]) {
      assert.throws(() => splitTableScopes(['openid', scope], never), { code: 'malformed' }, scope);
    }
  });
});

test('a scope is held against a catalogue', async (t) => {
  const closed = catalogueOf({ catalogue: 'closed', tables: [{ id: 'orders' }, { id: 'a:b' }] });
  const open = catalogueOf({ catalogue: 'open', tables: [{ id: 'orders' }] });
  const masksOf = (scope: string, catalogue: typeof closed) => {
    const asked = readTableScope(scope, catalogue);
    return asked && [...asked.masks];
  };
  await t.test('a closed one knows its tables and no others', () => {
    assert.deepEqual(masksOf('a%3Ab:read', closed), [['a:b', 2]]);
    assert.equal(readTableScope('*:admin', closed), EVERYTHING);
    assert.equal(readTableScope('*:read', closed)?.all, 2);
    for (const scope of ['ordres:read', '%zz:read', ':read', 'orders', 'orders.read', 'ordres:reed']) {
      assert.equal(readTableScope(scope, closed), undefined, scope);
      assert.equal(isTableScope(scope, closed), false, scope);
    }
  });
  await t.test('an open one takes every table before an action', () => {
    assert.deepEqual(masksOf('ordres:read', open), [['ordres', 2]]);
    assert.equal(readTableScope('ordres:reed', open), undefined);
    for (const scope of ['%zz:read', ':read', '__proto__:read']) {
      assert.throws(() => readTableScope(scope, open), { code: 'malformed' }, scope);
    }
  });
  await t.test('an unknown action on a table, or on all of them, is refused', () => {
    for (const catalogue of [closed, open]) {
      for (const scope of ['orders:reed', 'orders:', '%6frders:READ', '*:reed', '%2A:admin']) {
        assert.throws(() => readTableScope(scope, catalogue), { code: 'malformed' }, scope);
      }
    }
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import { Alternative } from '../../src/permissions/limits.ts';
import {
  createPermissions,
  equals,
  isEmpty,
  NOTHING,
  namedMasks,
  type Permissions,
  type Right,
} from '../../src/permissions/permissions.ts';
import { toPermissionsJson } from '../../src/permissions/permissions-json.ts';
import { RIGHTS_CLAIMS, toTokenClaims } from '../../src/permissions/token-claims.ts';
import { readRights } from '../../src/resource-server/verified-token.ts';
import { limitedPermissions } from '../permissions/arbitraries.ts';
import fc from '../support/properties.ts';

const SHOP = 'https://api.acme.example/';
const DEVICES = { type: 'devicehive', locations: [SHOP], actions: ['GetDevice'], networks: ['*'] };
const OTHER = { type: 'payment_initiation', amount: '1' };

const read = (claims: object): Permissions => readRights(JSON.parse(JSON.stringify(claims)), SHOP);
const inAnswer = (rights: Permissions) => ({
  permissions: toPermissionsJson(rights),
  authorization_details: toAuthorizationDetails(rights, SHOP),
});
const withoutLimits = (rights: Permissions): Permissions =>
  rights.isAdmin ? rights : createPermissions(namedMasks(rights));
const refused = { code: 'invalid_token' };

test('rights are read from both claims of a token or from one', async (t) => {
  await t.test('the details say all, the permissions what has no limits', () => {
    fc.assert(
      fc.property(limitedPermissions, (rights) => {
        const claims = toTokenClaims(rights, undefined, SHOP);
        assert.ok(equals(read(claims), rights));
        assert.ok(equals(read(toTokenClaims(rights, undefined, SHOP, ['authorization_details'])), rights));
        const plain = read(toTokenClaims(rights, undefined, SHOP, ['permissions']));
        assert.ok(equals(plain, withoutLimits(rights)));
        assert.ok(equals(read(inAnswer(rights)), rights));
      }),
      { numRuns: 2_000 },
    );
  });
  await t.test('details of devices and of unknown types count for nothing', () => {
    const orders = createPermissions([['orders', 2]]);
    const { permissions, authorization_details: details = [] } = toTokenClaims(orders, undefined, SHOP);
    const around = [DEVICES, ...details, OTHER];
    assert.ok(equals(read({ permissions, authorization_details: around }), orders));
    assert.ok(isEmpty(read({ permissions: {}, authorization_details: [DEVICES, OTHER] })));
    assert.throws(() => read({ permissions, authorization_details: [DEVICES, OTHER] }), refused);
  });
  await t.test('a token with neither claim is refused', () => {
    assert.throws(() => read({ scope: 'orders:read' }), refused);
    assert.ok(isEmpty(read(toTokenClaims(NOTHING, undefined, SHOP))));
  });
  await t.test('claims that contradict each other are refused', () => {
    fc.assert(
      fc.property(limitedPermissions, limitedPermissions, (one, other) => {
        fc.pre(!equals(withoutLimits(one), withoutLimits(other)));
        const [first, second] = [toTokenClaims(one, undefined, SHOP), toTokenClaims(other, undefined, SHOP)];
        assert.throws(() => read({ ...first, authorization_details: second.authorization_details }), refused);
      }),
      { numRuns: 1_000 },
    );
  });
  await t.test('members that are not known might limit, so the token is refused', () => {
    const set = { type: 'table_access_set', locations: [SHOP], tables: ['orders'], actions: ['read'] };
    for (const detail of [
      { ...set, until: '2027' },
      { ...set, rows: {} },
      { ...set, columns: [] },
      { ...set, locations: ['https://api.other.example/'] },
      { ...set, rows: { customer_id: [{ $user: 'id' }] } },
      { ...set, rows: { customer_id: ['\u0000user.id'] } },
      'table_access',
    ]) {
      assert.throws(() => read({ authorization_details: [detail] }), refused, JSON.stringify(detail));
    }
    assert.throws(() => read({ permissions: { tables: { orders: { raed: true } } } }), refused);
    assert.throws(() => read({ permissions: null, authorization_details: [set] }), refused);
    assert.throws(() => read(JSON.parse('{"permissions":{"tables":{"__proto__":{"read":true}}}}')), refused);
  });
});

test('computed rights may be larger than written ones', () => {
  const tables = Array.from({ length: 12_000 }, (_, n): Right => [`table_${n}`, 2]);
  const rows = (conditions: number, first: string): Alternative =>
    new Alternative(
      undefined,
      Array.from({ length: conditions }, (_, n): [string, string[]] => [`c${n}`, [n === 0 ? first : 'x']]),
    );
  const limits = Array.from(
    { length: 64 },
    (_, n): Right => ['orders', 2, rows(16, `v${n}\n${'y'.repeat(300)}`)],
  );
  const rights = createPermissions([...tables, ...limits]);
  assert.equal(rights.cell('orders', 'read').length, 64);
  for (const claims of [
    inAnswer(rights),
    ...RIGHTS_CLAIMS.map((one) => toTokenClaims(rights, undefined, SHOP, [one])),
  ]) {
    const whole = 'authorization_details' in claims ? rights : withoutLimits(rights);
    assert.ok(equals(read(claims), whole));
  }
});

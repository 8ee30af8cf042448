import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseAuthorizationDetails,
  TABLE_ACCESS,
  toAuthorizationDetails,
} from '../../src/permissions/authorization-details.ts';
import { parseDetails } from '../../src/permissions/details.ts';
import {
  containsAccess,
  DEVICE_ACCESS,
  type DeviceAccess,
  DIMENSIONS,
  intersectAccess,
  NO_DEVICE_ACCESS,
  parseDeviceAccess,
  toDeviceAccessDetails,
} from '../../src/permissions/device-access.ts';
import { PermissionsError } from '../../src/permissions/errors.ts';
import {
  type Explanation,
  explainAccess,
  explainIntersection,
  type Step,
} from '../../src/permissions/explain.ts';
import type { Extent } from '../../src/permissions/extent.ts';
import { Alternative } from '../../src/permissions/limits.ts';
import {
  contains,
  createPermissions,
  EVERYTHING,
  equals,
  intersect,
  NOTHING,
  type Permissions,
} from '../../src/permissions/permissions.ts';
import fc from '../support/properties.ts';
import { permissions } from './arbitraries.ts';

/** How rights of one type are read, written and narrowed. */
interface Kind<Rights> {
  readonly type: string;
  parse(details: unknown, resource: string): { readonly permissions: Rights };
  toDetails(rights: Rights, resource: string): readonly { readonly type: string }[];
  contains(a: Rights, b: Rights): boolean;
  intersect(a: Rights, b: Rights): Rights;
  explain(steps: readonly Step<Rights>[]): Explanation<Rights, object>;
}

const tableAccess: Kind<Permissions> = {
  type: TABLE_ACCESS,
  parse: parseAuthorizationDetails,
  toDetails: toAuthorizationDetails,
  contains,
  intersect,
  explain: explainIntersection,
};

const deviceAccess: Kind<DeviceAccess> = {
  type: DEVICE_ACCESS,
  parse: (details, resource) => ({
    permissions: parseDetails(details, resource).devices ?? NO_DEVICE_ACCESS,
  }),
  toDetails: toDeviceAccessDetails,
  contains: containsAccess,
  intersect: intersectAccess,
  explain: explainAccess,
};

const subset = (values: string[]) => fc.subarray(values).map((list) => new Set(list));
/** What every kind of detail must keep, whatever its rights look like. */
function keepsTheLaws<Rights>(kind: Kind<Rights>, rights: fc.Arbitrary<Rights>): void {
  const same = (a: Rights, b: Rights) => kind.contains(a, b) && kind.contains(b, a);
  const law = fc.property(rights, rights, rights, (a, b, c) => {
    const both = kind.intersect(a, b);
    assert.ok(kind.contains(a, both) && kind.contains(b, both), 'never more than either side');
    assert.ok(same(both, kind.intersect(b, a)), 'commutative');
    assert.ok(same(kind.intersect(both, c), kind.intersect(a, kind.intersect(b, c))), 'associative');
    assert.ok(same(kind.intersect(a, a), a), 'idempotent');
    assert.equal(kind.contains(a, b), same(both, b), 'contains follows from intersect');
    const details = JSON.parse(JSON.stringify(kind.toDetails(a, 'urn:x')));
    assert.ok(details.every((detail: { type: string }) => detail.type === kind.type));
    assert.ok(same(kind.parse(details, 'urn:x').permissions, a), 'what is written can be read');
    const steps = [a, b, c].map((set, index) => ({ name: `${index}`, permissions: set }));
    const { effective, removed } = kind.explain(steps);
    assert.ok(same(effective, kind.intersect(both, c)), 'the explanation reaches the same result');
    assert.ok(removed.every(({ by }) => by === '1' || by === '2'));
  });
  fc.assert(law, { numRuns: 3000 });
}

const extent = (values: string[]): fc.Arbitrary<Extent> =>
  fc.oneof({ weight: 4, arbitrary: subset(values) }, { weight: 1, arbitrary: fc.constant('*' as const) });
const deviceRights: fc.Arbitrary<DeviceAccess> = fc.record({
  actions: extent(['GetDevice', 'ManageToken', 'GetNetwork']),
  networks: extent(['1', '2', '3']),
  deviceTypes: extent(['1', '2']),
  topics: extent(['plugin_x', 'plugin_y']),
});

test('a kind of detail keeps the laws that narrowing relies on', async (t) => {
  await t.test('table_access does', () => keepsTheLaws(tableAccess, permissions));
  await t.test('devicehive does', () => keepsTheLaws(deviceAccess, deviceRights));
});

test('PM-01 PM-03 ambiguous devices are refused', async (t) => {
  const good = { type: 'devicehive', actions: ['GetDevice'], networks: ['4'], deviceTypes: ['*'] };
  assert.deepEqual(
    DIMENSIONS.map((name) => parseDeviceAccess([good], 'urn:x').permissions[name]),
    [new Set(['GetDevice']), new Set(['4']), '*', new Set()],
  );
  const bad: [string, unknown[]][] = [
    ['two of them, which are no product', [good, good]],
    ['an empty list', [{ ...good, networks: [] }]],
    ['all beside one', [{ ...good, networks: ['*', '4'] }]],
    ['a number', [{ ...good, networks: [4] }]],
    ['an unknown action', [{ ...good, actions: ['Fly'] }]],
    ['an unknown member', [{ ...good, isAdmin: true }]],
    ['an inherited name', [JSON.parse('{"type":"devicehive","__proto__":{"actions":["*"]}}')]],
    ['a list of text', [{ ...good, actions: 'GetDevice' }]],
    ['a blank', [{ ...good, networks: ['4 '] }]],
    ['another resource', [{ ...good, locations: ['urn:y'] }]],
    ['a thousand and one', [{ ...good, networks: Array.from({ length: 1001 }, (_, index) => `${index}`) }]],
  ];
  for (const [name, details] of bad) {
    await t.test(name, () => assert.throws(() => parseDeviceAccess(details, 'urn:x'), PermissionsError));
  }
});

test('an explanation names the step that took each right away first', async (t) => {
  const step = (name: string, set: typeof EVERYTHING) => ({ name, permissions: set });
  await t.test('for cells', () => {
    const asked = createPermissions([
      ['orders', 0b1111],
      ['products', 0b0010],
    ]);
    const { effective, removed } = explainIntersection([
      step('request', asked),
      step('application', createPermissions([['orders', 0b0111]])),
      step(
        'role clerk',
        createPermissions([
          ['orders', 0b0011],
          ['products', 0b1111],
        ]),
      ),
    ]);
    assert.deepEqual([...effective.masks], [['orders', 0b0011]]);
    assert.deepEqual(removed, [
      { table: 'orders', action: 'delete', by: 'application' },
      { table: 'products', action: 'read', by: 'application' },
      { table: 'orders', action: 'update', by: 'role clerk' },
    ]);
  });
  await t.test('for admin, and then for the cells that were left of it', () => {
    const { effective, removed } = explainIntersection([
      step('request', EVERYTHING),
      step('application', EVERYTHING),
      step('role clerk', createPermissions([['orders', 0b0011]])),
      step('parent token', createPermissions([['orders', 0b0010]])),
    ]);
    assert.ok(equals(effective, createPermissions([['orders', 0b0010]])));
    assert.deepEqual(removed, [
      { table: '*', action: 'admin', by: 'role clerk' },
      { table: 'orders', action: 'create', by: 'parent token' },
    ]);
  });
  await t.test('with what is left of it, where a limit takes its place', () => {
    const at = (...values: string[]) => new Alternative(undefined, [['region', values]]);
    const { removed } = explainIntersection([
      step('request', createPermissions([['orders', 0b0110]])),
      step(
        'role clerk',
        createPermissions([
          ['orders', 0b0010, at('eu', 'us')],
          ['orders', 0b0100, at('eu')],
        ]),
      ),
      step('parent token', createPermissions([['orders', 0b0010, at('us', 'asia')]])),
    ]);
    assert.deepEqual(removed, [
      { table: 'orders', action: 'read', remains: [at('eu', 'us')], by: 'role clerk' },
      { table: 'orders', action: 'update', remains: [at('eu')], by: 'role clerk' },
      { table: 'orders', action: 'read', limit: at('eu', 'us'), remains: [at('us')], by: 'parent token' },
      { table: 'orders', action: 'update', limit: at('eu'), by: 'parent token' },
    ]);
  });
  await t.test('and nothing to intersect is an error, not everything', () => {
    assert.throws(() => explainIntersection([]), RangeError);
    assert.deepEqual(explainIntersection([step('request', NOTHING)]), { effective: NOTHING, removed: [] });
  });
});

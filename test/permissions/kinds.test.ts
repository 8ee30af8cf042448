import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tableAccess } from '../../src/permissions/authorization-details.ts';
import {
  type DeviceAccess,
  DIMENSIONS,
  deviceAccess,
  parseDeviceAccess,
  type Reach,
} from '../../src/permissions/device-access.ts';
import { PermissionsError } from '../../src/permissions/errors.ts';
import { explainIntersection } from '../../src/permissions/explain.ts';
import type { DetailKind } from '../../src/permissions/kinds.ts';
import { createPermissions, EVERYTHING, equals, NOTHING } from '../../src/permissions/permissions.ts';
import { permissions } from './arbitraries.ts';

/** A kind unlike tables: actions on networks, where undefined means any network. It holds the interface to its promise. */
interface NetworkRights {
  readonly actions: ReadonlySet<string>;
  readonly networks: ReadonlySet<string> | undefined;
}

type NetworkRight = { readonly action: string } | { readonly network: string };

const names = (set: ReadonlySet<string>) => [...set].sort();

const networkAccess: DetailKind<NetworkRights, NetworkRight> = {
  type: 'network_access',
  parse(details, resource) {
    const [first] = details as { actions?: string[]; identifier?: string }[];
    if (first?.actions === undefined) throw new PermissionsError('malformed', 'actions is missing.');
    const networks =
      first.identifier === undefined ? undefined : new Set(first.identifier.split(' ').filter(Boolean));
    return { permissions: { actions: new Set(first.actions), networks }, resource };
  },
  toDetails({ actions, networks }, resource) {
    const identifier = networks && { identifier: names(networks).join(' ') };
    return [{ type: 'network_access', locations: [resource], actions: names(actions), ...identifier }];
  },
  contains(a, b) {
    const reaches = a.networks === undefined || (b.networks?.isSubsetOf(a.networks) ?? false);
    return reaches && b.actions.isSubsetOf(a.actions);
  },
  intersect(a, b) {
    const networks =
      a.networks && b.networks ? a.networks.intersection(b.networks) : (a.networks ?? b.networks);
    return { actions: a.actions.intersection(b.actions), networks };
  },
  explain([first, ...later]) {
    assert.ok(first !== undefined);
    let effective = first.permissions;
    const removed: (NetworkRight & { by: string })[] = [];
    for (const { name, permissions: next } of later) {
      const cut = networkAccess.intersect(effective, next);
      for (const action of effective.actions.difference(cut.actions)) removed.push({ action, by: name });
      for (const network of effective.networks?.difference(cut.networks as Set<string>) ?? [])
        removed.push({ network, by: name });
      effective = cut;
    }
    return { effective, removed };
  },
};

const subset = (values: string[]) => fc.subarray(values).map((list) => new Set(list));
const networkRights: fc.Arbitrary<NetworkRights> = fc.record({
  actions: subset(['GetDevice', 'ManageToken', 'GetNetwork']),
  networks: fc.option(subset(['1', '2', '3']), { nil: undefined }),
});

/** What every kind of detail must keep, whatever its rights look like. */
function keepsTheLaws<Rights, Right>(kind: DetailKind<Rights, Right>, rights: fc.Arbitrary<Rights>): void {
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

const reach = (values: string[]): fc.Arbitrary<Reach> =>
  fc.oneof({ weight: 4, arbitrary: subset(values) }, { weight: 1, arbitrary: fc.constant('*' as const) });
const deviceRights: fc.Arbitrary<DeviceAccess> = fc.record({
  actions: reach(['GetDevice', 'ManageToken', 'GetNetwork']),
  networks: reach(['1', '2', '3']),
  deviceTypes: reach(['1', '2']),
  topics: reach(['plugin_x', 'plugin_y']),
});

test('a kind of detail keeps the laws that narrowing relies on', async (t) => {
  await t.test('table_access does', () => keepsTheLaws(tableAccess, permissions));
  await t.test('devicehive does', () => keepsTheLaws(deviceAccess, deviceRights));
  await t.test('a kind with other dimensions can implement the same interface', () =>
    keepsTheLaws(networkAccess, networkRights),
  );
});

test('PM-01 PM-03 ambiguous devices are refused', async (t) => {
  const good = { type: 'devicehive', actions: ['GetDevice'], networks: ['4'], deviceTypes: ['*'] };
  assert.deepEqual(
    DIMENSIONS.map((name) => parseDeviceAccess([good], 'urn:x').permissions[name]),
    [new Set(['GetDevice']), new Set(['4']), '*', new Set()],
  );
  const bad: [string, unknown][] = [
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
  await t.test('for admin, and then for the cells it was cut down to', () => {
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
  await t.test('and nothing to intersect is an error, not everything', () => {
    assert.throws(() => explainIntersection([]), RangeError);
    assert.deepEqual(explainIntersection([step('request', NOTHING)]), { effective: NOTHING, removed: [] });
  });
});

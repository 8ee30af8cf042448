/** Rights to tables, rows and columns of the built-in resource. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operatorActor } from '../../../src/admin/rights/actor.ts';
import {
  createGuards,
  isVisible,
  requireCell,
  requireRowAccess,
  visiblePart,
} from '../../../src/admin/rights/guards.ts';
import { FreshLoginNeeded, NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import type { Nouns } from '../../../src/nouns/index.ts';
import { parsePermissions } from '../../../src/permissions/permissions-json.ts';
import { NO_REACH, wholeOrganization } from '../../../src/rights/reach.ts';
import type { World } from '../../../src/rights/reach-of.ts';

const can = (tables: object) => ({
  permissions: parsePermissions({ tables }, { unknownFlags: 'refuse', limits: { variables: 'allow' } }),
});

const ANN = { id: '1', version: 3, username: 'ann', organization: 'acme', email: 'ann@acme.test' };
const BOB = { ...ANN, id: '2', username: 'bob', organization: 'globex' };

test('a right that the token lacks is named', () => {
  const actor = can({ users: { read: true } });
  requireCell(actor, 'users', 'read');
  assert.throws(() => requireCell(actor, 'users', 'delete'), {
    constructor: NotAllowed,
    message: /users:delete/,
    status: 403,
    error: 'insufficient_scope',
  });
});

test('rows beyond the limits of a right are hidden', () => {
  const actor = can({ users: { read: { rows: { organization: ['acme'] } } } });
  assert.ok(isVisible(actor, 'users', ANN));
  assert.ok(!isVisible(actor, 'users', BOB));
  assert.equal(visiblePart(actor, 'users', ANN), ANN);
  assert.equal(visiblePart(actor, 'users', BOB), undefined);
});

test('columns beyond the limits of a right are left out', () => {
  const actor = can({ users: { read: { columns: ['username'] } } });
  assert.deepEqual(visiblePart(actor, 'users', ANN), { id: '1', version: 3, username: 'ann' });
});

test('a change of a row that may not be read is answered as if it were not there', () => {
  const limited = { rows: { organization: ['acme'] } };
  const actor = can({ users: { read: limited, update: limited } });
  requireRowAccess(actor, 'users', { action: 'update', row: ANN, changes: { displayName: 'Ann' } });
  assert.throws(
    () => requireRowAccess(actor, 'users', { action: 'update', row: BOB, changes: {} }),
    NotFound,
  );
  assert.throws(() => requireRowAccess(actor, 'users', { action: 'delete', row: ANN }), NotAllowed);
});

test('a change must not move a row out of the limits of the right', () => {
  const actor = can({ users: { read: true, update: { rows: { username: ['ann'] } } } });
  const changes = { username: 'bob' };
  assert.throws(() => requireRowAccess(actor, 'users', { action: 'update', row: ANN, changes }), NotAllowed);
});

test('a new object sets only columns that the right has', () => {
  const actor = can({ users: { create: { columns: ['username', 'email'] } } });
  const row = { ...ANN };
  requireRowAccess(actor, 'users', { action: 'create', row, columns: ['username'] });
  const more = { action: 'create', row, columns: ['username', 'roles'] } as const;
  assert.throws(() => requireRowAccess(actor, 'users', more), NotAllowed);
});

const AT = 1_800_000_000_000;
const guards = createGuards({ world: {} as World, store: {} as never, now: () => AT });
const person = (secondsAgo: number) => ({ isDangerous: false, authenticatedAt: AT - secondsAgo * 1000 });

test('a login of five minutes ago is fresh and an older one is not', () => {
  guards.requireFresh(person(300));
  assert.throws(() => guards.requireFresh(person(301)), {
    constructor: FreshLoginNeeded,
    status: 401,
    error: 'insufficient_user_authentication',
    maxAge: 300,
  });
});

test('a machine does dangerous things only if its application may', () => {
  assert.throws(() => guards.requireFresh({ isDangerous: false }), NotAllowed);
  guards.requireFresh({ isDangerous: true });
  guards.requireFresh(operatorActor({ actor: 'operator' }));
});

test('a change takes the reach of the object before and after it', async () => {
  const organization = {
    id: 'a',
    name: 'acme',
    hosts: [],
    default: false,
  } as unknown as Nouns['organizations'];
  const actor = { ...operatorActor({ actor: 'user:1' }), reach: NO_REACH };
  const change = (reach: typeof NO_REACH) =>
    guards.requireChange({ ...actor, reach }, 'organizations', organization, organization);
  await assert.rejects(change(NO_REACH), NotAllowed);
  await change(wholeOrganization('a'));
});

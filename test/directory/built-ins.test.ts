/** The organization of the server, and of each organization the resource and roles of its administration. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FixedField } from '../../src/changes/changes.ts';
import { BrokenReference } from '../../src/changes/references.ts';
import { withBuiltIns } from '../../src/directory/built-ins.ts';
import { createDirectory } from '../../src/directory/directory.ts';
import { ADMIN_TABLES } from '../../src/nouns/admin-tables.ts';
import { isBuiltIn, MANAGEMENT } from '../../src/nouns/built-in.ts';
import { fromStored } from '../../src/permissions/stored.ts';
import { fileOf, openAdministration, refusal } from '../admin/fixture.ts';
import { AUTHOR, ISSUER, newResource, newUser, openFixture } from './fixture.ts';

const SERVER = `${ISSUER}/admin`;
const ACME = `${SERVER}/acme`;

async function open(t: TestContext) {
  const fixture = await openFixture(t);
  const store = withBuiltIns(fixture.storage.directory, ISSUER);
  return { ...fixture, store, acme: fixture.organization };
}

test('each organization has a resource for its administration, and so has the server', async (t) => {
  const { store, acme } = await open(t);
  const resource = await store.resources.findBy('identifier', ACME);
  assert.equal(resource?.organization, acme.id);
  assert.deepEqual(
    resource.tables.map(({ id }) => id),
    ADMIN_TABLES,
  );
  assert.equal(resource.token.ttl, 600);
  assert.deepEqual(await store.resources.get(resource.id), resource);
  assert.equal((await store.resources.findBy('identifier', SERVER))?.organization, MANAGEMENT.id);
  for (const unknown of [`${SERVER}/globex`, `${SERVER}/management`, `${SERVER}/`, `${ACME}/`]) {
    assert.equal(await store.resources.findBy('identifier', unknown), undefined, unknown);
  }
});

test('each organization has the usual roles of administration', async (t) => {
  const { store, acme } = await open(t);
  for (const id of [acme.id, MANAGEMENT.id]) {
    for (const name of ['owner', 'maintainer', 'auditor', 'developer']) {
      const role = await store.roles.findBy('name', `${id}/${name}`);
      assert.ok(role && isBuiltIn(role), name);
      assert.deepEqual(await store.roles.get(role.id), role);
      assert.equal(role.resource, id === acme.id ? ACME : SERVER);
    }
  }
  const maintainer = await store.roles.findBy('name', `${acme.id}/maintainer`);
  assert.ok(maintainer);
  const { permissions } = maintainer;
  assert.ok(fromStored(permissions).allows('users', 'delete'));
  assert.ok(!fromStored(permissions).allows('keys', 'update'));
  assert.equal(await store.roles.findBy('name', `${crypto.randomUUID()}/owner`), undefined);
});

test('lists do not have built-in nouns', async (t) => {
  const { store } = await open(t);
  const names = async (collection: 'organizations' | 'resources' | 'roles') =>
    (await store[collection].page({ limit: 100 })).items.map(({ name }) => name);
  assert.deepEqual(await names('organizations'), ['acme']);
  assert.ok(!(await names('resources')).some((name) => name.startsWith('Administration')));
  assert.deepEqual(await names('roles'), ['clerk']);
});

test('built-in nouns cannot be changed or removed', async (t) => {
  const { changes, store, acme } = await openAdministrationOf(t);
  const fixed = (work: Promise<unknown>) => assert.rejects(work, FixedField);
  const resource = await store.resources.findBy('identifier', `${acme.issuer}/admin/acme`);
  const role = await store.roles.findBy('name', `${acme.id}/owner`);
  assert.ok(resource && role);
  await fixed(changes.resources.replace({ ...resource, enabled: false }, AUTHOR));
  await fixed(changes.resources.remove(resource, AUTHOR));
  await fixed(changes.roles.replace({ ...role, scopes: ['x'] }, AUTHOR));
  await fixed(changes.roles.remove(role, AUTHOR));
  await fixed(changes.organizations.replace({ ...MANAGEMENT, enabled: false }, AUTHOR));
  await fixed(changes.organizations.remove(MANAGEMENT, AUTHOR));
});

test('a resource cannot take an identifier of the administration', async (t) => {
  const { changes, organization } = await openFixture(t);
  for (const identifier of [SERVER, ACME, `${SERVER}/globex`, `${SERVER}/a/b`]) {
    await assert.rejects(
      changes.resources.create(newResource(organization.id, identifier), AUTHOR),
      BrokenReference,
    );
  }
});

async function openAdministrationOf(t: TestContext) {
  const administration = await openAdministration(t);
  await administration.apply(fileOf({ organizations: [{ name: 'acme' }] }));
  const { store, issuer } = administration;
  const acme = await store.organizations.findBy('name', 'acme');
  assert.ok(acme);
  return { ...administration, acme: { ...acme, issuer } };
}

test('a person has a built-in role by its name, also in a new organization', async (t) => {
  const { apply, store } = await openAdministration(t);
  const users = [{ username: 'ann', password: 'correct-horse-battery', roles: ['owner'] }];
  const file = fileOf({ organizations: [{ name: 'acme', users }] });
  await apply(file);
  const { changes } = await apply(file, { dryRun: true });
  assert.deepEqual(changes, []);
  const acme = await store.organizations.findBy('name', 'acme');
  const ann = await store.users.findBy('username', `organization:${acme?.id}/ann`);
  assert.deepEqual(ann?.roles, [(await store.roles.findBy('name', `${acme?.id}/owner`))?.id]);
});

test('a role of a file with a built-in name hides that one, and the report says so', async (t) => {
  const { apply, store, storage, acme } = await openAdministrationOf(t);
  const resources = [{ identifier: 'https://api.test/' }];
  const roles = [{ name: 'owner' }];
  const users = [{ username: 'ann', password: 'correct-horse-battery', roles: ['owner'] }];
  const file = fileOf({ organizations: [{ name: 'acme', resources, roles, users }] });
  const { notes } = await apply(file);
  assert.deepEqual(notes, ['role acme/owner hides the built-in role of this name: users get this one by it']);
  const own = await storage.directory.roles.findBy('name', `${acme.id}/owner`);
  assert.ok(own);
  assert.equal((await store.roles.findBy('name', `${acme.id}/owner`))?.id, own.id);
  const ann = await store.users.findBy('username', `organization:${acme.id}/ann`);
  assert.deepEqual(ann?.roles, [own.id]);
});

test('a role cannot say that its bearers hand out the administration', async (t) => {
  const { apply, acme } = await openAdministrationOf(t);
  const admin = `${acme.issuer}/admin/acme`;
  const mayGrant = { [admin]: { permissions: { tables: { users: { read: true } } } } };
  const roles = [{ name: 'lead', resource: admin, mayGrant }];
  const file = fileOf({ organizations: [{ name: 'acme', roles }] });
  assert.match(String(await refusal(apply(file))), /only within one's own/);
});

test('a role of the server cannot have a built-in name', async (t) => {
  const { apply } = await openAdministrationOf(t);
  const file = fileOf({ management: { roles: [{ name: 'owner' }] } });
  assert.match(String(await refusal(apply(file))), /role management\/owner is built in/);
});

test('a view forgets the administration of an organization that was removed', async (t) => {
  const { changes, store, acme, now } = await open(t);
  const directory = createDirectory({ store, faceRules: [], now });
  const find = async () => (await directory.view()).findResource(ACME);
  assert.equal((await find())?.organization, acme.id);
  const current = await store.organizations.get(acme.id);
  assert.ok(current);
  await changes.organizations.remove(current, AUTHOR);
  assert.equal(await find(), undefined);
  const { id, number: _, version: __, ...others } = acme;
  const anew = await changes.organizations.create(others, AUTHOR);
  assert.notEqual(anew.id, id);
  assert.equal((await find())?.organization, anew.id);
});

test('an administrator has roles of the server only', async (t) => {
  const { changes, store, acme } = await openAdministrationOf(t);
  const { organization: _, ...administrator } = newUser(acme.id, 'management', 'root', []);
  const roleOf = async (id: string) => (await store.roles.findBy('name', `${id}/owner`))?.id ?? '';
  const create = (roles: string[], administers: string[] = []) =>
    changes.users.create({ ...administrator, roles, administers }, AUTHOR);
  await assert.rejects(create([await roleOf(acme.id)]), BrokenReference);
  await assert.rejects(create([], [MANAGEMENT.id]), BrokenReference);
  await create([await roleOf(MANAGEMENT.id)]);
});

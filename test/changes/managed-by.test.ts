import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createConnection } from '../../src/admin/connections.ts';
import { authorOf } from '../../src/changes/author.ts';
import { COLLECTIONS } from '../../src/nouns/index.ts';
import { EVERYTHING } from '../../src/permissions/permissions.ts';
import { type Administration, fileOf, openAdministration } from '../admin/fixture.ts';
import { AUTHOR, newResource, openFixture } from '../directory/fixture.ts';

const REQUEST = { address: '192.0.2.1' };
const FILE = fileOf({
  organizations: [
    {
      name: 'acme',
      clientId: 'acme',
      resources: [{ identifier: 'https://a.example/' }],
      roles: [{ name: 'reader' }],
      applications: [
        {
          name: 'shop',
          grants: ['token_exchange'],
          resource: 'https://a.example/',
          permissions: { isAdmin: true, tables: {} },
        },
      ],
      users: [{ username: 'ann' }],
      connections: [{ name: 'site', application: 'shop' }],
      datasources: [{ name: 'crm', kind: 'sqlite', file: 'crm.db' }],
      webhooks: [{ name: 'crm', url: 'https://crm.example/', events: ['*'] }],
    },
  ],
  administrators: [{ username: 'root' }],
});

async function openApplied(t: TestContext): Promise<Administration> {
  const administration = await openAdministration(t);
  await administration.apply(FILE);
  return administration;
}

test('every noun that an apply file makes is managed by apply', async (t) => {
  const { storage } = await openApplied(t);
  for (const collection of COLLECTIONS) {
    const { items } = await storage.directory[collection].page({ limit: 10 });
    assert.ok(items.length > 0, collection);
    for (const noun of items) assert.equal(noun.managedBy, 'apply', collection);
  }
});

for (const [managedBy, party] of [
  ['person', { user: 'ann' }],
  ['face', { client: 'shop' }],
  ['face', { connection: 'site' }],
  ['face', { registeringThrough: 'fusio' }],
] as const) {
  test(`a noun that ${JSON.stringify(party)} makes is managed by ${managedBy}`, async (t) => {
    const { changes, organization, storage } = await openFixture(t);
    const author = authorOf(REQUEST, party);
    const made = await changes.resources.create(newResource(organization.id, 'https://b.example/'), author);
    assert.equal(made.managedBy, managedBy);
    const [entry] = (await storage.audit.page({ limit: 1 })).entries;
    assert.equal(entry?.actor, author.actor);
    assert.ok(!('managedBy' in (entry ?? {})), 'the audit names who it was');
  });
}

test('a connection that an operator makes by a command is not managed by apply', async (t) => {
  const { storage, issuer, changes, connections, now } = await openApplied(t);
  const store = storage.directory;
  const organization = await store.organizations.findBy('name', 'acme');
  assert.ok(organization);
  const wanted = { name: 'blog', application: 'shop', permissions: EVERYTHING };
  const deps = { store, issuer, changes, connections, now };
  const { connection } = await createConnection(organization, wanted, deps, { actor: 'test' });
  assert.equal(connection.managedBy, 'api');
});

test('a change leaves who made a noun, whatever it says', async (t) => {
  const { changes, organization } = await openFixture(t);
  const person = authorOf(REQUEST, { user: 'ann' });
  const made = await changes.resources.create(newResource(organization.id, 'https://b.example/'), person);
  const { managedBy: _, ...silent } = made;
  const changed = await changes.resources.replace(silent, { actor: 'test' });
  assert.equal(changed.managedBy, 'person');
  const file = { actor: 'test', managedBy: 'apply' } as const;
  const applied = await changes.resources.replace({ ...changed, managedBy: 'apply' }, file);
  assert.equal(applied.managedBy, 'person');
});

test('only an author can say who makes a noun', async (t) => {
  const { changes, organization, role } = await openFixture(t);
  assert.equal((await changes.roles.replace({ ...role, managedBy: 'apply' }, AUTHOR)).managedBy, undefined);
  const said = { ...newResource(organization.id, 'https://b.example/'), managedBy: 'apply' };
  assert.equal((await changes.resources.create(said, AUTHOR)).managedBy, undefined);
});

test('an apply file adopts nouns of which it was not recorded who made them', async (t) => {
  const administration = await openApplied(t);
  const { directory } = administration.storage;
  const [ours, theirs] = [await findRole(administration), await findUser(administration)];
  const { managedBy: _, ...unrecorded } = ours;
  await directory.roles.replace(unrecorded);
  await directory.users.replace({ ...theirs, managedBy: 'person' });
  const { changes } = await administration.apply(FILE);
  assert.deepEqual(changes, [
    { action: 'changed', name: 'role acme/reader', fields: [{ field: 'managedBy', to: 'apply' }] },
  ]);
  assert.equal((await findRole(administration)).managedBy, 'apply');
  assert.equal((await findUser(administration)).managedBy, 'person', 'not taken over');
  assert.deepEqual((await administration.apply(FILE)).changes, []);
});

async function findRole({ storage }: Administration) {
  const [role] = (await storage.directory.roles.page({ limit: 1 })).items;
  assert.ok(role);
  return role;
}

async function findUser({ storage }: Administration) {
  const [user] = (await storage.directory.users.page({ limit: 1 })).items;
  assert.ok(user);
  return user;
}

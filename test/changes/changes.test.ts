import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createChanges, FixedField, type NounChanges } from '../../src/changes/changes.ts';
import { createRecorded } from '../../src/changes/recorded.ts';
import { BrokenReference, StillInUse } from '../../src/changes/references.ts';
import { collectionOf } from '../../src/directory/collections.ts';
import type { Application, CollectionName, Nouns, UniqueKey } from '../../src/nouns/index.ts';
import { isEnded, secretNode } from '../../src/registry/nodes.ts';
import { Conflict, VersionConflict } from '../../src/storage/contract.ts';
import {
  AUTHOR,
  CLERK,
  type Fixture,
  ISSUER,
  NO_EVENTS,
  newApplication,
  newResource,
  newUser,
  openFixture,
  READER,
  RESOURCE,
} from '../directory/fixture.ts';

/** The noun of the fixture's collection, as it is at this moment. */
async function current<C extends CollectionName>(
  fixture: Fixture,
  collection: C,
  id: string,
): Promise<Nouns[C]> {
  const noun = await fixture.storage.directory[collection].get(id);
  assert.ok(noun);
  return noun as Nouns[C];
}

async function change<C extends CollectionName>(
  fixture: Fixture,
  collection: C,
  id: string,
  fields: Partial<Nouns[C]>,
): Promise<Nouns[C]> {
  const noun = await current(fixture, collection, id);
  const changes = fixture.changes[collection] as unknown as NounChanges<Nouns[C]>;
  return changes.replace({ ...noun, ...fields }, AUTHOR);
}

async function auditEvents({ storage }: Fixture): Promise<string[]> {
  const { entries } = await storage.audit.page({ limit: 100 });
  return entries.map(({ event }) => event).reverse();
}

const endings = [
  ['organizations', (fixture: Fixture) => fixture.organization.id],
  ['applications', (fixture: Fixture) => fixture.application.id],
  ['resources', (fixture: Fixture) => fixture.resource.id],
  ['users', (fixture: Fixture) => fixture.user.id],
] as const;

for (const [collection, idOf] of endings) {
  test(`IN-02 disabling one of ${collection} ends its tokens for good`, async (t) => {
    const fixture = await openFixture(t);
    const id = idOf(fixture);
    const before = await fixture.mint();
    assert.ok(await fixture.find(before));

    await change(fixture, collection, id, { enabled: false });
    assert.equal(await fixture.find(before), undefined);
    const nodes = collection === 'users' ? [id, `registrant:${id}`] : [id];
    assert.deepEqual([...new Set(fixture.marks.map(({ node }) => node))], nodes, 'whatever hangs below');
    const [record] = await fixture.storage.nodes.read([id]);
    assert.ok(record && isEnded(record), 'whoever follows the feed learns that it has ended');
    const made = await fixture.mint();
    assert.equal(await fixture.find(made), undefined, 'made while it was disabled');

    await change(fixture, collection, id, { enabled: true });
    assert.equal(await fixture.find(before), undefined);
    assert.equal(await fixture.find(made), undefined);
    assert.ok(await fixture.find(await fixture.mint()), 'made after it was enabled');
  });
}

test('PM-08 a role that shrinks, is disabled or is removed narrows living tokens', async (t) => {
  const fixture = await openFixture(t);
  const token = await fixture.mint();

  await change(fixture, 'roles', fixture.role.id, { permissions: READER });
  assert.deepEqual((await fixture.find(token))?.permissions, READER);
  assert.deepEqual(new Set(fixture.marks.map(({ node }) => node)), new Set([fixture.role.id]));

  await change(fixture, 'roles', fixture.role.id, { enabled: false });
  assert.equal(await fixture.find(token), undefined);

  await change(fixture, 'roles', fixture.role.id, { enabled: true, permissions: CLERK });
  assert.deepEqual((await fixture.find(token))?.permissions, CLERK, 'the role never ended the token');

  const role = await current(fixture, 'roles', fixture.role.id);
  await fixture.changes.roles.remove(role, AUTHOR);
  assert.equal(await fixture.find(token), undefined);
});

test('PM-08 a removed role leaves what came through another one', async (t) => {
  const fixture = await openFixture(t);
  const reader = await fixture.changes.roles.create(
    { ...fixture.role, id: crypto.randomUUID(), name: 'reader', permissions: READER },
    AUTHOR,
  );
  await change(fixture, 'users', fixture.user.id, { roles: [fixture.role.id, reader.id] });
  const token = await fixture.mint();
  await fixture.changes.roles.remove(await current(fixture, 'roles', fixture.role.id), AUTHOR);
  assert.deepEqual((await fixture.find(token))?.permissions, READER);
});

const narrowings: [string, CollectionName, (fixture: Fixture) => string, object, object | undefined][] = [
  [
    'a lower ceiling',
    'applications',
    ({ application }) => application.id,
    { ceilings: [{ resource: RESOURCE, permissions: READER }] },
    READER,
  ],
  [
    'a table taken out of the catalogue',
    'resources',
    ({ resource }) => resource.id,
    { tables: [] },
    undefined,
  ],
  ['a role taken from the user', 'users', ({ user }) => user.id, { roles: [] }, undefined],
];

for (const [what, collection, idOf, fields, left] of narrowings) {
  test(`PM-08 ${what} is gone from living tokens`, async (t) => {
    const fixture = await openFixture(t);
    const token = await fixture.mint();
    await change(fixture, collection, idOf(fixture), fields);
    assert.deepEqual((await fixture.find(token))?.permissions, left);
    assert.deepEqual(new Set(fixture.marks.map(({ node }) => node)), new Set([idOf(fixture)]));
  });
}

test('a scope taken from the application is gone from living tokens', async (t) => {
  const fixture = await openFixture(t);
  const token = await fixture.mint();
  await change(fixture, 'applications', fixture.application.id, { scopes: [] });
  assert.equal((await fixture.find(token))?.scope, '');
});

test('a change of an object without rights marks nothing', async (t) => {
  const fixture = await openFixture(t);
  await change(fixture, 'applications', fixture.application.id, { redirectUris: ['https://app.example/cb'] });
  await change(fixture, 'organizations', fixture.organization.id, { hosts: ['id.example'] });
  await change(fixture, 'users', fixture.user.id, { displayName: 'Ann' });
  await change(fixture, 'resources', fixture.resource.id, { name: 'Orders database' });
  assert.deepEqual(fixture.marks, []);
});

test('a new password ends what the user has, and what is made with it lives', async (t) => {
  const fixture = await openFixture(t);
  const before = await fixture.mint();
  await change(fixture, 'users', fixture.user.id, { passwordHash: 'hmac-bcrypt$passwords-1$other' });
  assert.equal(await fixture.find(before), undefined);
  assert.ok(await fixture.find(await fixture.mint()));
});

test('another realm ends the tokens of the users of the one before', async (t) => {
  const fixture = await openFixture(t);
  const token = await fixture.mint();
  await change(fixture, 'applications', fixture.application.id, {
    realm: `organization:${fixture.organization.id}`,
  });
  assert.equal(await fixture.find(token), undefined);
});

/** Stops right before the write whose turn it is, as a crash would. */
function crashAt(fixture: Fixture, turn: number): { changes: Fixture['changes']; died: () => boolean } {
  let left = turn;
  const mayDie = <A extends unknown[], R>(work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      left -= 1;
      if (left < 0) throw new Error('died');
      return work(...args);
    };
  };
  const { directory } = fixture.storage;
  const collection = <C extends CollectionName>(name: C) => {
    const nouns = collectionOf(directory, name);
    return {
      get: (id: string) => nouns.get(id),
      findBy: (key: UniqueKey<C>, value: string) => nouns.findBy(key, value),
      page: (options: { limit: number }) => nouns.page(options),
      insert: (noun: Nouns[C]) => nouns.insert(noun),
      replace: mayDie((noun: Nouns[C]) => nouns.replace(noun)),
      remove: mayDie((id: string, version: number) => nouns.remove(id, version)),
    };
  };
  const store = {
    organizations: collection('organizations'),
    applications: collection('applications'),
    roles: collection('roles'),
    resources: collection('resources'),
    users: collection('users'),
    connections: collection('connections'),
    revision: () => directory.revision(),
  };
  const changes = createChanges({
    storage: { directory: store as never },
    registry: {
      markAboveLogins: mayDie((node: string, mark) => fixture.registry.markAboveLogins(node, mark as never)),
      markAboveConnections: mayDie((node: string, mark) =>
        fixture.registry.markAboveConnections(node, mark as never),
      ),
      markRemovedNoun: mayDie((node: string, mark) => fixture.registry.markRemovedNoun(node, mark as never)),
    },
    recorded: createRecorded({
      events: NO_EVENTS,
      audit: { append: mayDie((entry) => fixture.storage.audit.append(entry as never)) },
      now: fixture.now,
    }),
    faceRules: [],
    issuer: ISSUER,
    now: fixture.now,
  });
  return { changes, died: () => left < 0 };
}

/** Each write may be the last one: before it nothing happened, after the change no old right is alive. */
async function dieEverywhere(
  t: TestContext,
  act: (changes: Fixture['changes'], fixture: Fixture) => Promise<unknown>,
  isChanged: (fixture: Fixture) => Promise<boolean>,
): Promise<number> {
  for (let turn = 0; turn < 12; turn += 1) {
    const fixture = await openFixture(t);
    const token = await fixture.mint();
    const { changes, died } = crashAt(fixture, turn);
    await act(changes, fixture).catch((error: Error) => assert.equal(error.message, 'died'));
    const alive = await fixture.find(token);
    if (await isChanged(fixture)) assert.equal(alive, undefined, `alive after a crash at write ${turn}`);
    else assert.ok(alive, `dead although nothing changed, after a crash at write ${turn}`);
    await act(fixture.changes, fixture).catch((error) => assert.ok(error instanceof VersionConflict));
    assert.equal(await fixture.find(token), undefined, `alive after a second try (${turn})`);
    if (!died()) return turn;
  }
  throw new Error('the change never came to its end');
}

test('E1 a crash while disabling leaves no right alive', async (t) => {
  const writes = await dieEverywhere(
    t,
    async (changes, fixture) => {
      const application = await current(fixture, 'applications', fixture.application.id);
      return changes.applications.replace({ ...application, enabled: false }, AUTHOR);
    },
    async (fixture) => !(await current(fixture, 'applications', fixture.application.id)).enabled,
  );
  assert.equal(writes, 4, 'mark, change, mark, audit');
});

test('E1 a crash in the middle of removing an application leaves no right alive', async (t) => {
  await dieEverywhere(
    t,
    async (changes, fixture) => {
      const application = await fixture.storage.directory.applications.get(fixture.application.id);
      return application && changes.applications.remove(application, AUTHOR);
    },
    async (fixture) => !(await fixture.storage.directory.applications.get(fixture.application.id))?.enabled,
  );
});

test('a token made from the old state while the change is written does not survive it', async (t) => {
  const fixture = await openFixture(t);
  let racer: string | undefined;
  const { directory } = fixture.storage;
  const changes = createChanges({
    storage: {
      directory: {
        ...directory,
        users: {
          ...directory.users,
          get: (id: string) => directory.users.get(id),
          async replace(user: Nouns['users']) {
            racer = await fixture.mint();
            return directory.users.replace(user);
          },
        },
      } as never,
    },
    registry: fixture.registry,
    recorded: createRecorded({ events: NO_EVENTS, audit: fixture.storage.audit, now: fixture.now }),
    faceRules: [],
    issuer: ISSUER,
    now: fixture.now,
  });
  const user = await current(fixture, 'users', fixture.user.id);
  await changes.users.replace({ ...user, passwordHash: 'hmac-bcrypt$passwords-1$other' }, AUTHOR);
  assert.ok(racer);
  assert.equal(await fixture.find(racer), undefined);
});

/** The fixture's application with a secret, and changes of it that call `meanwhile` right before they are written. */
async function openWithSecret(t: TestContext, meanwhile: (mint: Fixture['mint']) => Promise<void>) {
  const fixture = await openFixture(t);
  const { directory } = fixture.storage;
  const secret = { id: crypto.randomUUID(), name: 'default', hash: 'hash', createdAt: 1 };
  const application = await change(fixture, 'applications', fixture.application.id, { secrets: [secret] });
  const ancestors = [fixture.organization.id, application.id, secretNode(secret.id)];
  const mint = (row: object = {}) => fixture.mint({ ancestors, ...row });
  const { applications } = createChanges({
    storage: {
      directory: {
        ...directory,
        applications: {
          ...directory.applications,
          get: (id: string) => directory.applications.get(id),
          async replace(noun: Application) {
            await meanwhile(mint);
            return directory.applications.replace(noun);
          },
        },
      } as never,
    },
    registry: fixture.registry,
    recorded: createRecorded({ events: NO_EVENTS, audit: fixture.storage.audit, now: fixture.now }),
    issuer: ISSUER,
    faceRules: [],
    now: fixture.now,
  });
  return { ...fixture, mint, remove: () => applications.replace({ ...application, secrets: [] }, AUTHOR) };
}

test('a token made with a secret while it is removed does not survive it', async (t) => {
  let racer = '';
  const fixture = await openWithSecret(t, async (mint) => {
    racer = await mint();
  });
  await fixture.remove();
  assert.equal(await fixture.find(racer), undefined);
  // By a process whose clock is ahead, or one that has not seen the change.
  const late = await fixture.mint({ asOf: fixture.now() + 4_000 });
  assert.equal(await fixture.find(late), undefined);
});

test('a removal of a secret that fails leaves what is made with it later', async (t) => {
  const fixture = await openWithSecret(t, () => Promise.reject(new VersionConflict('x')));
  await assert.rejects(fixture.remove(), VersionConflict);
  assert.ok(await fixture.find(await fixture.mint()));
});

test('MT-04 an object made anew under an old name inherits nothing', async (t) => {
  const fixture = await openFixture(t);
  const token = await fixture.mint();
  const machine = await fixture.mint({
    user: undefined as never,
    subject: `client:${fixture.application.id}`,
  });
  await fixture.changes.applications.remove(fixture.application, AUTHOR);
  assert.equal(await fixture.find(token), undefined);
  assert.equal(
    await fixture.storage.directory.users.get(fixture.user.id),
    undefined,
    'its users went with it',
  );

  const anew = await fixture.changes.applications.create(
    newApplication(fixture.organization.id, 'shop'),
    AUTHOR,
  );
  assert.notEqual(anew.id, fixture.application.id);
  const ann = await fixture.changes.users.create(
    newUser(fixture.organization.id, anew.realm, 'ann', [fixture.role.id]),
    AUTHOR,
  );
  assert.notEqual(ann.id, fixture.user.id);
  assert.equal(await fixture.find(token), undefined);
  assert.equal(await fixture.find(machine), undefined);
});

test('MT-04 a removed organization takes all that is in it along', async (t) => {
  const fixture = await openFixture(t);
  const token = await fixture.mint();
  const { directory } = fixture.storage;
  await fixture.changes.organizations.remove(fixture.organization, AUTHOR);
  assert.equal(await fixture.find(token), undefined);
  for (const collection of ['applications', 'roles', 'resources', 'users', 'organizations'] as const) {
    assert.deepEqual((await directory[collection].page({ limit: 10 })).items, [], collection);
  }
  const anew = await fixture.changes.organizations.create(
    { name: 'acme', enabled: true, default: false, hosts: [] },
    AUTHOR,
  );
  assert.notEqual(anew.id, fixture.organization.id);
  await fixture.changes.resources.create(newResource(anew.id, RESOURCE), AUTHOR);
});

test('MT-04 a resource is not removed while roles or applications name it', async (t) => {
  const fixture = await openFixture(t);
  await assert.rejects(
    fixture.changes.resources.remove(fixture.resource, AUTHOR),
    (error) => error instanceof StillInUse && /role clerk, application shop/.test(error.message),
  );
  const { resource, ...application } = await current(fixture, 'applications', fixture.application.id);
  assert.equal(resource, RESOURCE);
  await fixture.changes.applications.replace(
    { ...application, ceilings: [], introspects: [RESOURCE] },
    AUTHOR,
  );
  await fixture.changes.roles.remove(fixture.role, AUTHOR);
  await assert.rejects(fixture.changes.resources.remove(fixture.resource, AUTHOR), /application shop/);
  await fixture.changes.applications.replace(
    { ...(await current(fixture, 'applications', application.id)), introspects: [] },
    AUTHOR,
  );
  await fixture.changes.resources.remove(fixture.resource, AUTHOR);
});

test('MT-05 nothing may name what belongs to another organization', async (t) => {
  const fixture = await openFixture(t);
  const { changes } = fixture;
  const other = await changes.organizations.create(
    { name: 'other', enabled: true, default: false, hosts: [] },
    AUTHOR,
  );
  const refused = (work: Promise<unknown>) => assert.rejects(work, BrokenReference);
  await refused(changes.applications.create(newApplication(other.id, 'thief'), AUTHOR));
  await refused(
    changes.applications.create(
      {
        ...newApplication(other.id, 'spy'),
        ceilings: [],
        resource: undefined as never,
        introspects: [RESOURCE],
      },
      AUTHOR,
    ),
  );
  await refused(
    changes.roles.create({ ...fixture.role, id: crypto.randomUUID(), organization: other.id }, AUTHOR),
  );
  await refused(
    changes.users.create(newUser(other.id, `organization:${other.id}`, 'bob', [fixture.role.id]), AUTHOR),
  );
  await refused(changes.users.create(newUser(other.id, fixture.application.realm, 'bob', []), AUTHOR));
  await refused(
    change(fixture, 'users', fixture.user.id, { administers: [fixture.organization.id, other.id] }),
  );
  await change(fixture, 'users', fixture.user.id, { administers: [fixture.organization.id] });
  await refused(
    changes.applications.create(
      {
        ...newApplication(other.id, 'thief'),
        ceilings: [],
        resource: undefined as never,
        realm: fixture.application.realm,
      },
      AUTHOR,
    ),
  );
  await refused(changes.users.create(newUser(crypto.randomUUID(), 'management', 'root', []), AUTHOR));
});

test('fields that tokens and other nouns name things by cannot be changed', async (t) => {
  const fixture = await openFixture(t);
  const fixed = (work: Promise<unknown>) => assert.rejects(work, FixedField);
  await fixed(change(fixture, 'resources', fixture.resource.id, { identifier: 'https://new.example/' }));
  await fixed(change(fixture, 'organizations', fixture.organization.id, { name: 'globex' }));
  await fixed(change(fixture, 'users', fixture.user.id, { realm: 'management' }));
  await fixed(change(fixture, 'roles', fixture.role.id, { organization: crypto.randomUUID() }));
});

test('reserved names cannot name an organization', async (t) => {
  const { changes } = await openFixture(t);
  const wanted = { name: 'oauth', enabled: true, default: false, hosts: [] };
  await assert.rejects(changes.organizations.create(wanted, AUTHOR), BrokenReference);
});

test('an organization has up to 50 webhooks', async (t) => {
  const { changes, organization } = await openFixture(t);
  const create = (number: number) =>
    changes.webhooks.create(
      {
        organization: organization.id,
        name: `hook-${number}`,
        enabled: true,
        url: 'https://hooks.example/in',
        events: ['*'],
        secrets: [],
      },
      AUTHOR,
    );
  for (let number = 1; number <= 50; number += 1) await create(number);
  await assert.rejects(create(51), (error: Error) => {
    assert.ok(error instanceof BrokenReference);
    assert.match(String(error.told), /hook-51 is beyond the 50 webhooks that an organization may have/);
    return true;
  });
});

test('MT-09 a stale writer changes and marks nothing', async (t) => {
  const fixture = await openFixture(t);
  const token = await fixture.mint();
  await change(fixture, 'users', fixture.user.id, { displayName: 'Ann' });
  await assert.rejects(
    fixture.changes.users.replace({ ...fixture.user, enabled: false }, AUTHOR),
    (error) => error instanceof VersionConflict,
  );
  await assert.rejects(fixture.changes.users.remove(fixture.user, AUTHOR), VersionConflict);
  await assert.rejects(
    fixture.changes.users.remove({ id: crypto.randomUUID(), version: 1 }, AUTHOR),
    VersionConflict,
  );
  assert.deepEqual(fixture.marks, []);
  assert.ok(await fixture.find(token));
});

test('a name that is taken is a conflict, and names the key', async (t) => {
  const { changes, organization } = await openFixture(t);
  await assert.rejects(
    changes.applications.create({ ...newApplication(organization.id, 'shop2'), clientId: 'shop' }, AUTHOR),
    (error) => error instanceof Conflict && error.key === 'clientId',
  );
});

test('SE-03 each change is one audit entry that holds no secret', async (t) => {
  const fixture = await openFixture(t);
  await change(fixture, 'users', fixture.user.id, {
    passwordHash: 'hmac-bcrypt$passwords-1$very-secret',
    displayName: 'Ann',
  });
  await change(fixture, 'applications', fixture.application.id, {
    secrets: [{ id: crypto.randomUUID(), name: 'default', hash: 'hmac-sha256$k$very-secret', createdAt: 1 }],
  });
  await fixture.changes.users.remove(await current(fixture, 'users', fixture.user.id), AUTHOR);
  assert.deepEqual(await auditEvents(fixture), [
    'organization.created',
    'resource.created',
    'role.created',
    'application.created',
    'user.created',
    'user.changed',
    'application.changed',
    'user.removed',
  ]);
  const { entries } = await fixture.storage.audit.page({ limit: 100 });
  assert.ok(!JSON.stringify(entries).includes('very-secret'));
  const changed = entries.find(({ event }) => event === 'user.changed');
  assert.equal(changed?.actor, 'test');
  assert.equal(changed?.subject, fixture.user.id);
  assert.equal(changed?.organization, fixture.organization.id);
  assert.deepEqual(changed?.details, {
    name: 'ann',
    effect: 'restarts',
    fields: { passwordHash: {}, displayName: { to: 'Ann' } },
  });
});

test('AC-07 a username cannot be another user’s email address in the same realm', async (t) => {
  const fixture = await openFixture(t);
  const { organization, changes, application } = fixture;
  const named = (username: string, email?: string) => ({
    ...newUser(organization.id, application.realm, username, []),
    ...(email !== undefined && { email, canonicalEmail: email }),
  });
  await changes.users.create(named('bea', 'bea@acme.example'), AUTHOR);
  await assert.rejects(changes.users.create(named('bea@acme.example'), AUTHOR), BrokenReference);
  const own = await changes.users.create(named('cid@acme.example', 'cid@acme.example'), AUTHOR);
  await assert.rejects(changes.users.create(named('dan', 'cid@acme.example'), AUTHOR), Error);
  await changes.users.replace(
    { ...own, email: 'other@acme.example', canonicalEmail: 'other@acme.example' },
    AUTHOR,
  );
  await assert.rejects(changes.users.create(named('dan', 'cid@acme.example'), AUTHOR), BrokenReference);
});

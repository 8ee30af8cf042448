/** Moves by which an administrator could come to hold more than was given: each is refused. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Actor } from '../../../src/admin/rights/actor.ts';
import { createFindActor } from '../../../src/admin/rights/find-actor.ts';
import { createGuards } from '../../../src/admin/rights/guards.ts';
import { LastOwner } from '../../../src/changes/owners.ts';
import { FreshLoginNeeded, NotAllowed } from '../../../src/errors/domain.ts';
import type { CollectionName, Nouns, User } from '../../../src/nouns/index.ts';
import { freePort } from '../../support/free-port.ts';
import { PASSWORD, secretOf, startServer, type TestServer } from '../../support/server.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const EVERYTHING = { isAdmin: false, tables: { '*': ALL } };
const API = 'https://shop.acme.example/';
const MAPPED = 'https://mapped.acme.example/';
const AUTHOR = { actor: 'test' };
/** Of a neighbour, which becomes a role of its database by such a claim. */
const CHOICES = {
  of_name: { oneOf: ['billing-writer'], from: { $application: 'name' } },
  of_client: { oneOf: ['billing_client'], from: { $application: 'clientId' } },
  of_team: { oneOf: ['writer', 'web'], from: { $user: 'attributes.team' }, default: 'web' },
  of_branch: { oneOf: ['writer', 'web'], from: { $account: 'branch' }, default: 'web' },
};

describe('moves of administrators', () => {
  let server: TestServer;
  let acme: string;

  before(async () => {
    const port = await freePort();
    acme = `http://localhost:${port}/admin/acme`;
    const person = (username: string, ...roles: string[]) => ({ username, password: PASSWORD, roles });
    server = await startServer({
      port,
      fixture(fixture) {
        const organization = fixture.organizations[0];
        organization.resources.push({ identifier: API, tables: [{ id: 'orders' }, { id: 'staff' }] });
        organization.resources.push({
          identifier: MAPPED,
          name: 'mapped',
          tables: [{ id: 'orders' }],
          token: { format: 'jwt', ttl: 3600, claimMap: CHOICES },
        });
        organization.roles.push(
          { name: 'looker', resource: API, permissions: { tables: { orders: { read: true } } } },
          { name: 'boss', resource: API, permissions: { tables: { '*': ALL } } },
          {
            name: 'desk',
            resource: acme,
            permissions: { tables: { users: ALL, roles: ALL, applications: ALL } },
            mayGrant: { [API]: { permissions: { tables: { orders: { read: true } } } } },
          },
        );
        organization.applications.push(
          {
            name: 'console',
            clientId: 'console',
            clientSecret: secretOf('console'),
            grants: ['password'],
            realm: 'organization',
            resource: acme,
            permissions: EVERYTHING,
          },
          { name: 'plain', clientId: 'plain', clientSecret: secretOf('plain') },
          {
            name: 'mapped',
            clientId: 'mapped',
            clientSecret: secretOf('mapped'),
            grants: ['client_credentials', 'password'],
            realm: 'organization',
            resource: MAPPED,
          },
        );
        organization.users = [
          person('olga', 'owner'),
          person('mia', 'maintainer'),
          person('dora', 'desk'),
          person('ann'),
          person('bob', 'boss'),
          ...(organization.users ?? []),
        ];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const parts = () => server.server.foundations;
  const guards = () => createGuards({ ...parts(), now: () => Date.now() + server.clock.offset });

  async function actorOf(username: string, tables: object): Promise<Actor> {
    const permissions = JSON.stringify({ isAdmin: false, tables });
    const form = { grant_type: 'password', username, password: PASSWORD, permissions };
    const { json, text } = await server.post('/oauth/token', 'console', form);
    assert.ok(json.access_token, text);
    return createFindActor(parts())(json.access_token, {} as never);
  }
  const MAINTAINED = { users: ALL, roles: ALL, applications: ALL, resources: ALL };
  const maintainer = () => actorOf('mia', MAINTAINED);
  const desk = () => actorOf('dora', { users: ALL, roles: ALL, applications: ALL });
  const owner = () => actorOf('olga', { '*': ALL });

  async function organization(): Promise<string> {
    return (await parts().store.organizations.findBy('name', 'acme'))?.id ?? '';
  }
  async function user(username: string): Promise<User> {
    const found = await parts().store.users.findBy(
      'username',
      `organization:${await organization()}/${username}`,
    );
    assert.ok(found, username);
    return found;
  }
  async function role(name: string): Promise<Nouns['roles']> {
    const found = await parts().store.roles.findBy('name', `${await organization()}/${name}`);
    assert.ok(found, name);
    return found;
  }
  async function application(name: string): Promise<Nouns['applications']> {
    const found = await parts().store.applications.findBy('name', `${await organization()}/${name}`);
    assert.ok(found, name);
    return found;
  }

  const refused = <C extends CollectionName>(
    actor: Actor,
    collection: C,
    noun: Nouns[C] | undefined,
    change: Partial<Nouns[C]>,
  ) =>
    assert.rejects(
      guards().requireChange(actor, collection, noun, { ...noun, ...change } as Nouns[C]),
      NotAllowed,
    );
  const allowed = <C extends CollectionName>(
    actor: Actor,
    collection: C,
    noun: Nouns[C] | undefined,
    change: Partial<Nouns[C]>,
  ) => guards().requireChange(actor, collection, noun, { ...noun, ...change } as Nouns[C]);

  test('a password, an address, attributes or an identity of a stronger person', async () => {
    const changes: Partial<User>[] = [
      { passwordHash: 'x' },
      { email: 'mia@acme.example', canonicalEmail: 'mia@acme.example' },
      { attributes: { customer: '42' } },
      { identities: [{ issuer: 'https://idp.acme.example', subject: 'U1' }] },
      { enabled: false },
      { secondFactor: false },
      { roles: [] },
    ];
    for (const actor of [await maintainer(), await desk()]) {
      for (const change of changes) {
        await refused(actor, 'users', await user('bob'), change);
        await refused(actor, 'users', await user('olga'), change);
        await allowed(actor, 'users', await user('ann'), change);
      }
      await assert.rejects(guards().requireChange(actor, 'users', await user('olga'), undefined), NotAllowed);
    }
  });

  test('a role that the giver may not hand out', async () => {
    const ann = await user('ann');
    const [looker, boss, own] = [await role('looker'), await role('boss'), await role('owner')];
    const actor = await desk();
    await allowed(actor, 'users', ann, { roles: [looker.id] });
    await refused(actor, 'users', ann, { roles: [boss.id] });
    await refused(actor, 'users', ann, { roles: [own.id] });
    await refused(await maintainer(), 'users', ann, { roles: [looker.id] });
    await refused(await maintainer(), 'users', await user('mia'), { roles: [own.id] });
  });

  test('a role that is made wider, or hands out more', async () => {
    const actor = await desk();
    const looker = await role('looker');
    await refused(actor, 'roles', looker, { permissions: (await role('boss')).permissions });
    await refused(actor, 'roles', looker, {
      mayGrant: [{ resource: API, permissions: (await role('boss')).permissions, scopes: [] }],
    });
    await refused(actor, 'roles', await role('boss'), { permissions: looker.permissions });
    await refused(
      actor,
      'roles',
      { ...looker, resource: acme },
      { permissions: (await role('owner')).permissions },
    );
  });

  test('an application with a ceiling for the administration, or for data', async () => {
    const plain = await application('plain');
    const console = await application('console');
    const stored = (await role('boss')).permissions;
    for (const actor of [await desk(), await maintainer()]) {
      await refused(actor, 'applications', plain, {
        ceilings: [{ resource: acme, permissions: stored } as never],
      });
      await refused(actor, 'applications', plain, {
        ceilings: [{ resource: API, permissions: stored } as never],
      });
      await refused(actor, 'applications', plain, { introspects: [API] });
      await refused(actor, 'applications', plain, { mayExchange: [console.id] });
      await refused(actor, 'applications', console, { redirectUris: ['https://evil.example/'] });
      await refused(actor, 'applications', console, { dangerous: true });
      await allowed(actor, 'applications', plain, { redirectUris: ['https://plain.acme.example/'] });
    }
  });

  test('MT-05 groups, mapped claims and the return of a resource', async () => {
    const resource = await parts().store.resources.findBy('identifier', API);
    assert.ok(resource);
    const actor = await maintainer();
    await allowed(actor, 'resources', resource, { tables: [...resource.tables, { id: 'new', name: 'new' }] });
    await refused(actor, 'resources', resource, { groups: [{ id: 'sales', tables: ['staff'] }] });
    await refused(actor, 'resources', resource, {
      token: { ...resource.token, claimMap: [{ claim: 'role', value: '"admin"' }] },
    } as never);
    await refused(actor, 'resources', resource, { owner: (await user('mia')).id });
    await allowed(actor, 'resources', resource, { enabled: false });
    const off = { ...resource, enabled: false };
    await allowed(actor, 'resources', off, { name: 'closed' });
    await refused(actor, 'resources', off, { enabled: true });
  });

  test('MT-05 a name by which a neighbour chooses the role of an application', async () => {
    const mapped = await application('mapped');
    const plain = await application('plain');
    for (const change of [{ name: 'billing-writer' }, { clientId: 'billing_client' }]) {
      for (const actor of [await desk(), await maintainer()]) {
        await refused(actor, 'applications', mapped, change);
        await refused(actor, 'applications', { ...plain, ...change }, { ceilings: mapped.ceilings });
        await refused(actor, 'applications', { ...mapped, ...change }, { redirectUris: [] });
        await allowed(actor, 'applications', plain, change);
        await allowed(actor, 'applications', mapped, { name: 'other', clientId: 'other' });
      }
      await allowed(await owner(), 'applications', mapped, change);
    }
  });

  test('MT-05 an attribute by which a neighbour chooses the role of a person', async () => {
    const ann = await user('ann');
    for (const actor of [await desk(), await maintainer()]) {
      await refused(actor, 'users', ann, { attributes: { team: 'writer' } });
      await allowed(actor, 'users', ann, { attributes: { team: 'unknown' } });
    }
    await allowed(await owner(), 'users', ann, { attributes: { team: 'writer' } });
  });

  test('MT-05 a column by which a neighbour chooses the role of an account', async () => {
    const id = await organization();
    const crm = (realm: string, column: string) =>
      ({
        id: crypto.randomUUID(),
        organization: id,
        userTables: [{ realm, roles: [], roleMap: [], claims: [{ claim: 'branch', column }] }],
      }) as never;
    const actor = await maintainer();
    const realm = `organization:${id}`;
    await refused(actor, 'datasources', undefined, crm(realm, 'branch'));
    await refused(
      actor,
      'datasources',
      undefined,
      crm(`application:${(await application('mapped')).id}`, 'branch'),
    );
    await allowed(actor, 'datasources', undefined, crm(realm, 'city'));
    await allowed(
      actor,
      'datasources',
      undefined,
      crm(`application:${(await application('plain')).id}`, 'branch'),
    );
    await allowed(await owner(), 'datasources', undefined, crm(realm, 'branch'));
  });

  test('a webhook of a person who may not read the audit log', async () => {
    const noun = { id: crypto.randomUUID(), organization: await organization(), secrets: [] } as never;
    await refused(await desk(), 'webhooks', undefined, noun);
  });

  test('a token with fewer rights than its owner', async () => {
    const narrow = await actorOf('olga', { users: ALL });
    await refused(narrow, 'users', await user('ann'), { roles: [(await role('owner')).id] });
    await allowed(await owner(), 'users', await user('ann'), { roles: [(await role('owner')).id] });
  });

  test('trust in an issuer takes the whole organization, and a fresh login', async () => {
    const acmeItself = await parts().store.organizations.findBy('name', 'acme');
    const trust = {
      identityIssuers: [{ issuer: 'https://evil.example', jwksUri: 'https://evil.example/keys' }],
    };
    for (const actor of [await desk(), await maintainer()]) {
      await refused(actor, 'organizations', acmeItself, trust);
    }
    const actor = await owner();
    await allowed(actor, 'organizations', acmeItself, trust);
    const old = { ...actor, authenticatedAt: (actor.authenticatedAt ?? 0) - 301_000 };
    await assert.rejects(allowed(old, 'organizations', acmeItself, trust), FreshLoginNeeded);
  });

  test('an identity of a person with administrative rights takes a fresh login', async () => {
    const actor = await owner();
    const old = { ...actor, authenticatedAt: (actor.authenticatedAt ?? 0) - 301_000 };
    const link = { identities: [{ issuer: 'https://idp.acme.example', subject: 'U1' }] };
    await allowed(actor, 'users', await user('mia'), link);
    await assert.rejects(allowed(old, 'users', await user('mia'), link), FreshLoginNeeded);
    await allowed(old, 'users', await user('bob'), link);
  });

  test('administrative rights take a fresh login', async () => {
    const actor = await owner();
    const old = { ...actor, authenticatedAt: (actor.authenticatedAt ?? 0) - 301_000 };
    const [ann, own, boss] = [await user('ann'), await role('owner'), await role('boss')];
    const change = (of: Actor, id: string) =>
      guards().requireChange(of, 'users', ann, { ...ann, roles: [id] });
    await change(actor, own.id);
    await assert.rejects(change(old, own.id), FreshLoginNeeded);
    await change(old, boss.id);
  });

  test('secrets of applications take a fresh login', async () => {
    const actor = await owner();
    const old = { ...actor, authenticatedAt: (actor.authenticatedAt ?? 0) - 301_000 };
    const plain = await application('plain');
    await assert.rejects(
      guards().requireChange(old, 'applications', plain, { ...plain, secrets: [] }),
      FreshLoginNeeded,
    );
    await guards().requireChange(old, 'applications', plain, { ...plain, displayName: 'Plain' });
  });

  test('the last owner cannot be removed, demoted or locked out', async () => {
    const { users } = parts().changes;
    const olga = await user('olga');
    for (const change of [{ roles: [] }, { enabled: false }]) {
      await assert.rejects(users.replace({ ...olga, ...change }, AUTHOR), LastOwner);
    }
    await assert.rejects(users.remove(olga, AUTHOR), LastOwner);
    const ann = await user('ann');
    await users.replace({ ...ann, roles: olga.roles }, AUTHOR);
    const both = await Promise.allSettled([
      users.replace({ ...(await user('ann')), roles: [] }, AUTHOR),
      users.replace({ ...olga, roles: [] }, AUTHOR),
    ]);
    assert.ok(both.some(({ status }) => status === 'rejected'));
    const left = [await user('ann'), await user('olga')].filter(({ roles }) => roles.length > 0);
    assert.ok(left.length > 0);
  });
});

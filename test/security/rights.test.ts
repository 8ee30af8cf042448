import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { removeSigningKey } from '../../src/keys/signing-keys.ts';
import type { Application } from '../../src/nouns/index.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { OPAQUE_RESOURCE, PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const AUTHOR = { actor: 'test' };

describe('rights that are taken away', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());

  const foundations = () => server.server.foundations;
  const nouns = () => foundations().storage.directory;
  const requireApplication = async (clientId: string): Promise<Application> => {
    const application = await nouns().applications.findBy('clientId', clientId);
    assert.ok(application);
    return application;
  };
  const login = async (username = 'ann', client = 'shop') => {
    const { json, status } = await server.post('/oauth/token', client, {
      grant_type: 'password',
      username,
      password: PASSWORD,
    });
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  };
  const refresh = (token: string, form: Record<string, string> = {}) =>
    server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: token, ...form });
  const userOf = async (clientId: string, username: string) => {
    const { realm } = await requireApplication(clientId);
    const user = await nouns().users.findBy('username', `${realm}/${username}`);
    assert.ok(user);
    return user;
  };

  test('RT-08 a lowered ceiling narrows living tokens of both formats at once', async () => {
    const jwt = (await server.token('machine')).json.access_token;
    const opaque = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    const machine = await requireApplication('machine');
    const readOnly = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };
    const ceilings = machine.ceilings.map(({ resource }) => ({ resource, permissions: readOnly }));
    const lowered = await foundations().changes.applications.replace({ ...machine, ceilings }, AUTHOR);
    for (const token of [jwt, opaque]) {
      const answer = await server.introspect(token);
      assert.equal(answer.active, true);
      assert.deepEqual(answer.permissions.tables, {
        orders: { create: false, read: true, update: false, delete: false },
      });
      assert.equal(answer.authorization_details.length, 1);
    }
    await foundations().changes.applications.replace({ ...lowered, ceilings: machine.ceilings }, AUTHOR);
    assert.equal(
      (await server.introspect(jwt)).permissions.tables.orders.update,
      true,
      'never more than it was made with',
    );
  });

  test('RT-08 a role that is taken away narrows tokens and refreshes', async () => {
    const { access_token, refresh_token } = await login();
    const ann = await userOf('shop', 'ann');
    const reader = await nouns().roles.page({ limit: 50 });
    const readerId = reader.items.find(
      ({ name, organization }) => name === 'reader' && organization === ann.organization,
    )?.id;
    assert.ok(readerId);
    const demoted = await foundations().changes.users.replace({ ...ann, roles: [readerId] }, AUTHOR);
    const answer = await server.introspect(access_token);
    assert.deepEqual(Object.keys(answer.permissions.tables), ['orders']);
    assert.equal(answer.permissions.tables.orders.create, false);
    const refreshed = await refresh(refresh_token);
    assert.deepEqual(refreshed.json.permissions.tables.orders, {
      create: false,
      read: true,
      update: false,
      delete: false,
    });
    const beyond = await refresh(refreshed.json.refresh_token, {
      permissions: '{"isAdmin":false,"tables":{"orders":{"create":true}}}',
    });
    assert.equal(beyond.json.error, 'invalid_authorization_details');
    await foundations().changes.users.replace({ ...demoted, roles: [] }, AUTHOR);
    assert.deepEqual(await server.introspect(access_token), { active: false });
    const [restored] = [await userOf('shop', 'ann')];
    await foundations().changes.users.replace({ ...restored, roles: ann.roles }, AUTHOR);
  });

  test('RT-08 a table that leaves the catalogue leaves every token', async () => {
    const token = (await server.token('machine')).json.access_token;
    const admin = (await server.token('admin')).json.access_token;
    const resource = await nouns().resources.findBy('identifier', RESOURCE);
    assert.ok(resource);
    const shrunk = await foundations().changes.resources.replace(
      { ...resource, tables: resource.tables.filter(({ id }) => id !== 'products') },
      AUTHOR,
    );
    assert.deepEqual(Object.keys((await server.introspect(token)).permissions.tables), ['orders']);
    assert.equal((await server.introspect(admin)).permissions.isAdmin, true);
    await foundations().changes.resources.replace({ ...shrunk, tables: resource.tables }, AUTHOR);
  });

  test('DO-04 RT-08 a disabled user has no token, refresh or login', async () => {
    const { access_token, refresh_token } = await login('bob');
    const bob = await userOf('shop', 'bob');
    const disabled = await foundations().changes.users.replace({ ...bob, enabled: false }, AUTHOR);
    assert.deepEqual(await server.introspect(access_token), { active: false });
    assert.equal((await refresh(refresh_token)).json.error, 'invalid_grant');
    const attempt = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'bob',
      password: PASSWORD,
    });
    const unknown = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'nobody',
      password: PASSWORD,
    });
    assert.deepEqual(
      [attempt.status, attempt.json],
      [unknown.status, unknown.json],
      'AC-09 nothing tells them apart',
    );
    await foundations().changes.users.replace({ ...disabled, enabled: true }, AUTHOR);
    assert.deepEqual(await server.introspect(access_token), { active: false });
    assert.equal((await refresh(refresh_token)).json.error, 'invalid_grant');
    server.clock.offset += 5;
    assert.equal((await server.introspect((await login('bob')).access_token)).active, true);
  });

  test('MT-04 a client_id that is made anew inherits nothing', async () => {
    const token = (await server.token('admin')).json.access_token;
    const admin = await requireApplication('admin');
    await foundations().changes.applications.remove({ id: admin.id, version: admin.version }, AUTHOR);
    assert.deepEqual(await server.introspect(token), { active: false });
    assert.equal((await server.token('admin')).status, 401);
    const { id: _, number: __, version: ___, createdAt: ____, ...rest } = admin;
    const id = randomUUID();
    await foundations().changes.applications.create({ ...rest, id, realm: `application:${id}` }, AUTHOR);
    assert.equal((await server.token('admin')).status, 200);
    assert.deepEqual(await server.introspect(token), { active: false });
    assert.deepEqual(await server.introspect(token, 'admin'), { active: false });
  });

  test('JW-06 tokens of a removed key are dead as soon as the server sees it', async () => {
    const token = (await server.token('machine')).json.access_token;
    const opaque = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    const { storage, vault, now, signingKeys } = foundations();
    await removeSigningKey({ keys: storage.keys, vault, now }, signingKeys.active('ES256').kid);
    await until('the server has seen it', async () => !(await server.introspect(token)).active);
    assert.deepEqual(await server.introspect(token), { active: false });
    assert.equal((await server.introspect(opaque)).active, true);
    assert.equal((await server.introspect((await server.token('machine')).json.access_token)).active, true);
  });

  test('AC-04 a NUL in a password counts, through the whole stack', async () => {
    for (const password of [`${PASSWORD}\0`, `${PASSWORD}\0x`, `\0${PASSWORD}`]) {
      const { json } = await server.post('/oauth/token', 'shop', {
        grant_type: 'password',
        username: 'bob',
        password,
      });
      assert.equal(json.error, 'invalid_grant');
    }
  });

  test('AC-02 AC-05 a password counts whole, and one of a megabyte is not even read', async () => {
    const { status } = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: 'x'.repeat(1_000_000),
    });
    assert.equal(status, 413);
    const long = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD + 'x'.repeat(100),
    });
    assert.equal(long.json.error, 'invalid_grant');
  });

  test('an application without the password grant gets unauthorized_client', async () => {
    const { json } = await server.post('/oauth/token', 'machine', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assert.equal(json.error, 'unauthorized_client');
    const metadata = async (): Promise<any> =>
      (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
    assert.ok((await metadata()).grant_types_supported.includes('password'));
    for (const clientId of ['shop', 'other-shop']) {
      const application = await requireApplication(clientId);
      const grants = application.grants.filter((grant) => grant !== 'password');
      await foundations().changes.applications.replace({ ...application, grants }, AUTHOR);
    }
    assert.ok(!(await metadata()).grant_types_supported.includes('password'));
  });

  test('SE-01 the data folder holds no used secret outside its secret files', async () => {
    const token = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    const secrets = [PASSWORD, server.secretOf('machine'), server.secretOf('shop'), token];
    const { id, organization } = await requireApplication('machine');
    const connection = await foundations().connections.create(
      {
        organization,
        application: id,
        name: 'se-01',
        resource: RESOURCE,
        scopes: [],
        permissions: { isAdmin: true, tables: [] },
      },
      AUTHOR,
    );
    secrets.push(
      connection.token,
      (await foundations().connections.rotate(connection.connection, AUTHOR)).token,
    );
    const browser = createBrowser(server.issuer);
    const page = await browser.get(createFlow(server).request().url);
    const [, interaction = ''] = /\/interaction\/([\w-]+)/.exec(page.url) ?? [];
    assert.ok(interaction.length > 10, page.url);
    secrets.push(interaction);
    await foundations().storage.nodes.mark('flush', { narrowedAt: 1 }, Date.now() + 60_000);
    // Where MongoDB is the store, nothing of it lies in the folder.
    for await (const row of foundations().storage.dump.export()) {
      const text = JSON.stringify(row);
      for (const secret of secrets) assert.ok(!text.includes(secret), `${row.kind} ${secret.slice(0, 12)}`);
    }
    for (const name of await readdir(server.dataDir)) {
      if (['apply.json', 'master.key', 'generated-secrets.txt'].includes(name)) continue;
      const content = (await readFile(join(server.dataDir, name))).toString('latin1');
      for (const secret of secrets)
        assert.ok(!content.includes(secret), `${name} holds ${secret.slice(0, 12)}`);
      assert.ok(!content.includes('PRIVATE KEY'), `${name} holds a private key`);
    }
  });
});

test('PM-05 permissions too large for a JWT are given behind a reference, or refused', async () => {
  const many = Array.from({ length: 200 }, (_, index) => ({ id: `table-number-${index}`, name: 'x' }));
  const all = { isAdmin: false, tables: Object.fromEntries(many.map(({ id }) => [id, { read: true }])) };
  await using server = await startServer({
    fixture: (fixture) => {
      const [acme] = fixture.organizations;
      acme.resources[0].tables.push(...many);
      acme.resources.push({
        ...acme.resources[0],
        identifier: 'https://refusing.acme.example/',
        name: 'refusing',
        token: { format: 'jwt', ttl: 60, alg: 'ES256', overflow: 'refuse' },
      });
      const machine = acme.applications.find(({ name }: any) => name === 'machine');
      machine.permissions = all;
      machine.resources['https://refusing.acme.example/'] = all;
    },
  });
  const refused = await server.token('machine', { resource: 'https://refusing.acme.example/' });
  assert.equal(refused.json.error, 'invalid_authorization_details');
  assert.match(refused.json.error_description, /6 KB.*fewer tables/);
  const fewer = await server.token('machine', { scope: 'table-number-7:read' });
  assert.equal(fewer.status, 200);
  const reference = await server.token('machine');
  assert.match(reference.json.access_token, /^gat_/);
  assert.equal(
    Object.keys((await server.introspect(reference.json.access_token, 'machine')).permissions.tables).length,
    200,
  );
});

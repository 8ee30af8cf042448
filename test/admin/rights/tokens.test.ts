/** Tokens for the administration: who gets them, what they allow, and when they end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createFindActor } from '../../../src/admin/rights/find-actor.ts';
import { TokenRejected } from '../../../src/errors/domain.ts';
import { parsePermissionsText } from '../../../src/permissions/permissions-json.ts';
import { freePort } from '../../support/free-port.ts';
import { PASSWORD, secretOf, startServer, type TestServer, tablesOf } from '../../support/server.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const EVERYTHING = { isAdmin: false, tables: { '*': ALL } };
const READ_USERS = JSON.stringify({ isAdmin: false, tables: { users: { read: true } } });
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token';
const OWN = 'https://desk.acme.example/';

describe('tokens for the administration', () => {
  let server: TestServer;
  let acme: string;
  let whole: string;

  before(async () => {
    const port = await freePort();
    const issuer = `http://localhost:${port}`;
    [acme, whole] = [`${issuer}/admin/acme`, `${issuer}/admin`];
    const application = (name: string, resource: string | undefined, more: object = {}) => ({
      name,
      clientId: name,
      clientSecret: secretOf(name),
      grants: ['client_credentials', 'password', 'refresh_token', 'token_exchange'],
      realm: 'organization',
      ...(resource !== undefined && { resource, permissions: EVERYTHING }),
      ...more,
    });
    server = await startServer({
      port,
      fixture(fixture) {
        const [first] = fixture.organizations;
        first.clientId = 'acme-itself';
        first.clientSecret = secretOf('acme-itself');
        first.faces = { ...first.faces, fusio: { application: 'console' } };
        first.roles.push({
          name: 'helper',
          resource: acme,
          permissions: { tables: { users: { read: { rows: { username: ['ann'] } } } } },
        });
        first.resources.push({ identifier: OWN, tables: [{ id: 'users' }] });
        first.applications.push(
          application('console', acme, { mayExchange: ['friend'] }),
          application('friend', acme),
          application('unlisted', OWN),
          application('danger', acme, { dangerous: true }),
        );
        for (const [username, roles] of [
          ['olga', ['owner']],
          ['aude', ['auditor']],
          ['hal', ['helper']],
          ['nora', []],
        ]) {
          first.users = [...(first.users ?? []), { username, password: PASSWORD, roles }];
        }
        fixture.management = {
          applications: [application('hub', whole)],
          roles: [{ name: 'reader', permissions: { tables: { users: { read: true } } } }],
        };
        fixture.administrators = [
          { username: 'root', password: PASSWORD, roles: ['owner'] },
          { username: 'rita', password: PASSWORD, roles: ['reader'] },
          { username: 'adam', password: PASSWORD, organizations: ['acme'] },
          { username: 'olga', password: `${PASSWORD}-of-the-server`, roles: ['auditor'] },
        ];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const login = (client: string, username: string, form: Record<string, string> = {}) =>
    server.post('/oauth/token', client, { grant_type: 'password', username, password: PASSWORD, ...form });
  const asking = { permissions: READ_USERS };
  const parts = () => server.server.foundations;
  const findActor = (token: string) => createFindActor(parts())(token, {} as never);

  test('a person with a role for it gets one through a listed application', async () => {
    const { json } = await login('console', 'olga', asking);
    assert.deepEqual(tablesOf(json), { users: 'r' });
    assert.equal(json.expires_in, 600);
    assert.ok(!json.access_token.startsWith('eyJ'));
    const actor = await findActor(json.access_token);
    assert.equal(actor.organization?.name, 'acme');
    assert.ok(actor.permissions.allows('users', 'read'));
    assert.ok(!actor.permissions.allows('users', 'update'));
    assert.equal(typeof actor.authenticatedAt, 'number');
  });

  test('a person without a role for it gets none', async () => {
    const { json } = await login('console', 'nora', asking);
    assert.equal(json.error, 'invalid_authorization_details');
  });

  test('a role of its own gives rows', async () => {
    const { json } = await login('console', 'hal', asking);
    const actor = await findActor(json.access_token);
    assert.equal(actor.permissions.cell('users', 'read')[0]?.rows.get('username')?.has('ann'), true);
  });

  test('a request that names no permissions is refused', async () => {
    for (const form of [{}, { resource: acme }, { scope: '' }]) {
      const { status } = await login('console', 'olga', form as Record<string, string>);
      assert.equal(status, 400);
    }
    assert.equal((await server.token('console')).json.error, 'invalid_authorization_details');
  });

  test('a refresh keeps what its login has', async () => {
    const { json } = await login('console', 'olga', asking);
    const again = await server.post('/oauth/token', 'console', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    assert.deepEqual(tablesOf(again.json), { users: 'r' });
    const one = await findActor(json.access_token);
    const other = await findActor(again.json.access_token);
    assert.equal(one.key, other.key);
    assert.equal(one.authenticatedAt, other.authenticatedAt);
  });

  test('an application that an owner did not list gets none', async () => {
    const { json } = await login('unlisted', 'olga', { ...asking, resource: acme });
    assert.equal(json.error, 'invalid_target');
    const own = await login('unlisted', 'olga', { resource: OWN });
    await assert.rejects(findActor(own.json.access_token ?? 'x'), TokenRejected);
  });

  test('the organization as a client gets none', async () => {
    const { json } = await server.token('acme-itself', { ...asking, resource: acme });
    assert.equal(json.error, 'invalid_target');
  });

  test('another organization and the server are other resources', async () => {
    for (const resource of [whole, `${whole}/other`]) {
      assert.equal((await login('console', 'olga', { ...asking, resource })).json.error, 'invalid_target');
    }
    const { json } = await login('hub', 'root', { ...asking, resource: acme });
    assert.equal(json.error, 'invalid_target');
  });

  test('a chain that begins at another application is refused', async () => {
    const { json } = await login('console', 'olga', asking);
    const form = { grant_type: EXCHANGE, subject_token: json.access_token, subject_token_type: ACCESS };
    const own = await server.post('/oauth/token', 'console', { ...form, ...asking });
    assert.equal(own.status, 200, own.text);
    const foreign = await server.post('/oauth/token', 'friend', { ...form, ...asking });
    assert.equal(foreign.json.error, 'invalid_target');
    const nothing = await server.post('/oauth/token', 'console', form);
    assert.equal(nothing.json.error, 'invalid_authorization_details');
  });

  test('no older API gives one', async () => {
    const response = await fetch(`${server.issuer}/consumer/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'olga', password: PASSWORD }),
    });
    assert.ok(response.status >= 400, String(response.status));
  });

  test('administrators log in through applications of the server', async () => {
    const { json } = await login('hub', 'root', { permissions: JSON.stringify(EVERYTHING) });
    const actor = await findActor(json.access_token);
    assert.equal(actor.organization, undefined);
    assert.ok(actor.reach.server);
    assert.ok(!actor.reach.store);
    const reader = await findActor((await login('hub', 'rita', asking)).json.access_token);
    assert.ok(!reader.reach.server);
  });

  test('a login never falls back to another realm', async () => {
    assert.equal((await login('hub', 'hal', asking)).json.error, 'invalid_grant');
    assert.equal((await login('console', 'root', asking)).json.error, 'invalid_grant');
    // One name, two people, two passwords.
    assert.equal((await login('hub', 'olga', asking)).json.error, 'invalid_grant');
    const password = `${PASSWORD}-of-the-server`;
    assert.equal((await login('hub', 'olga', { ...asking, password })).status, 200);
    assert.equal((await login('console', 'olga', { ...asking, password })).json.error, 'invalid_grant');
  });

  test('an administrator of organizations has what is of them, on the server', async () => {
    const { json } = await login('hub', 'adam', asking);
    const { permissions, reach } = await findActor(json.access_token);
    assert.deepEqual([...(permissions.cell('users', 'read')[0]?.rows.get('organization') ?? [])], ['acme']);
    assert.ok(!reach.server);
    const organization = await parts().store.organizations.findBy('name', 'acme');
    assert.ok(reach.organizations.has(organization?.id ?? ''));
  });

  test('a machine has no login, and is dangerous only if its application is', async () => {
    const [usual, dangerous] = await Promise.all(
      ['console', 'danger'].map(async (name) =>
        findActor((await server.token(name, asking)).json.access_token),
      ),
    );
    assert.equal(usual?.authenticatedAt, undefined);
    assert.equal(usual?.isDangerous, false);
    assert.equal(dangerous?.isDangerous, true);
    assert.equal(dangerous?.reach.organizations.size, 0);
  });

  test('MT-01 a role that is taken away is gone at the next request', async () => {
    const { changes, store } = parts();
    const { json } = await login('console', 'aude', asking);
    await findActor(json.access_token);
    const { organization = '' } = await findActor(json.access_token).then(({ organization: of }) => ({
      organization: of?.id,
    }));
    const aude = await store.users.findBy('username', `organization:${organization}/aude`);
    assert.ok(aude);
    await changes.users.replace({ ...aude, roles: [] }, { actor: 'test' });
    await assert.rejects(findActor(json.access_token), TokenRejected);
  });

  test('other tokens and other headers are refused', async () => {
    const { json } = await login('console', 'olga', asking);
    const of = async (authorization: string): Promise<number> =>
      (
        await fetch(`${server.issuer}/admin/api/v1/organizations/acme/users`, {
          headers: { ...(authorization !== '' && { authorization }) },
        })
      ).status;
    assert.equal(await of(`Bearer ${json.access_token}`), 200);
    const others = ['', 'Bearer', 'Bearer x', 'Basic eDp5', 'DPoP x', 'Bearer a b'];
    for (const header of others) assert.equal(await of(header), 401, header);
    assert.equal(await of(`Bearer ${json.refresh_token}`), 401);
    for (const token of ['x', json.refresh_token]) await assert.rejects(findActor(token), TokenRejected);
    assert.ok(parsePermissionsText(READ_USERS, { unknownFlags: 'refuse' }));
  });

  test('a token ends after ten minutes', async () => {
    const { json } = await login('console', 'olga', asking);
    server.clock.offset += 601_000;
    await assert.rejects(findActor(json.access_token), TokenRejected);
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { revokeApplication, revokeEverything, revokeOrganization } from '../../src/admin/revoke.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import { codeOf, createFlow, errorOf, type Flow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { basic, OPAQUE_RESOURCE, PASSWORD, startServer, type TestServer } from '../support/server.ts';

describe('ways around', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer();
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const apply = (organization: object) =>
    server.server.foundations.apply(
      parseApplyFile(JSON.stringify({ organizations: [{ name: 'acme', ...organization }] }), 'file.json'),
    );

  test('RT-07 TE-01 another spelling of a path is not found', async () => {
    const { access_token: token } = (await server.token('machine')).json;
    const evil = { origin: 'https://evil.example' };
    for (const path of [
      '/oauth/revoke/',
      '/oauth/REVOKE',
      '/OAUTH/revoke',
      '/oauth//revoke',
      '/oauth/revok%65',
    ]) {
      const answer = await server.post(path, 'machine', { token }, evil);
      assert.equal(answer.status, 404, path);
      assert.equal(answer.headers.get('access-control-allow-origin'), null, path);
    }
    for (const path of [
      '/oauth/token/',
      '/oauth/Token',
      '/oauth/introspect/',
      '/oauth/userinfo/',
      '/oauth/jwks/',
    ]) {
      for (const method of ['POST', 'GET', 'OPTIONS']) {
        const answer = await fetch(server.issuer + path, { method, headers: evil });
        assert.equal(answer.status, 404, `${method} ${path}`);
        assert.equal(answer.headers.get('access-control-allow-origin'), null, path);
      }
    }
    assert.equal((await server.introspect(token)).active, true);
  });

  test('RT-08 ending all of an application or organization ends codes and sessions', async () => {
    // One of its own, because the engine does not go by the clock that is moved here.
    await using own = await startServer();
    const ownFlow = createFlow(own);
    const { foundations } = own.server;
    const deps = {
      ...foundations,
      store: foundations.storage.directory,
      logins: foundations.storage.logins,
      author: { actor: 'test' },
    };
    const client = await (await foundations.directory.view()).findApplication('web');
    assert.ok(client);
    for (const revoke of [
      () => revokeApplication(client.application, deps),
      () => revokeOrganization(client.organization, deps),
      () => revokeEverything(deps),
    ]) {
      const session = createBrowser(own.issuer);
      const { url, pkce } = ownFlow.request();
      const code = codeOf(await ownFlow.authorize(session, url));
      own.clock.offset += 2_000;
      await revoke();
      assert.equal((await ownFlow.redeem(code, pkce.verifier)).json.error, 'invalid_grant');
      assert.equal(errorOf(await session.get(ownFlow.request({ prompt: 'none' }).url)), 'login_required');
      own.clock.offset += 2_000;
      const again = await ownFlow.authorize(session, ownFlow.request().url);
      assert.ok(codeOf(again), 'a new login is possible');
      own.clock.offset += 2_000;
    }
  });

  test('AZ-19 a role that grows after the page gives no more than the page said', async () => {
    await using own = await startServer();
    const ownFlow = createFlow(own);
    const change = (permissions: object) =>
      own.server.foundations.apply(
        parseApplyFile(
          JSON.stringify({ organizations: [{ name: 'acme', roles: [{ name: 'clerk', permissions }] }] }),
          'file.json',
        ),
      );
    await change({ tables: { orders: { read: true } } });
    const { url, pkce } = ownFlow.request({ scope: 'openid offline_access orders.read', prompt: 'consent' });
    const code = codeOf(await ownFlow.authorize(createBrowser(own.issuer), url));
    await change({ tables: { orders: { create: true, read: true }, products: { read: true } } });
    const { json } = await ownFlow.redeem(code, pkce.verifier);
    const onlyReading = { orders: { create: false, read: true, update: false, delete: false } };
    assert.deepEqual(json.permissions.tables, onlyReading);
    const next = await own.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    assert.deepEqual(next.json.permissions.tables, onlyReading);
  });

  test('RT-02 a browser login is refreshed whatever grants its application has left', async () => {
    const { refresh_token } = await flow.tokens(createBrowser(server.issuer), {
      scope: 'openid offline_access orders.read',
      prompt: 'consent',
    });
    await apply({ applications: [{ name: 'web', grants: ['refresh_token'] }] });
    try {
      const { status, json } = await server.post('/oauth/token', 'web', {
        grant_type: 'refresh_token',
        refresh_token,
      });
      assert.equal(status, 200, JSON.stringify(json));
      assert.ok(json.id_token);
    } finally {
      await apply({ applications: [{ name: 'web', grants: ['authorization_code', 'refresh_token'] }] });
    }
  });

  test('RT-05 a refresh that narrows tables means those of the granted resource', async () => {
    const fixture = ({ organizations: [acme] }: any): void => {
      const permissions = { tables: { orders: { create: true, read: true } } };
      acme.roles.push({ name: 'opaque', resource: OPAQUE_RESOURCE, permissions });
      acme.users[0].roles.push('opaque');
    };
    await using own = await startServer({ fixture });
    const login = { grant_type: 'password', username: 'ann', password: PASSWORD, resource: OPAQUE_RESOURCE };
    const { refresh_token } = (await own.post('/oauth/token', 'shop', login)).json;
    const { status, json } = await own.post('/oauth/token', 'shop', {
      grant_type: 'refresh_token',
      refresh_token,
      authorization_details: '[{"type":"table_access","identifier":"orders","actions":["read"]}]',
    });
    assert.equal(status, 200, JSON.stringify(json));
    assert.equal((await own.introspect(json.access_token)).aud, OPAQUE_RESOURCE);
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
  });

  test('DO-05 parallel wrong secrets count as many guesses as sequential ones', async () => {
    await using own = await startServer();
    const guess = (secret: string) =>
      fetch(`${own.issuer}/oauth/token`, {
        method: 'POST',
        headers: { authorization: basic('machine', secret) },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }).then(({ status }) => status);
    const statuses = await Promise.all([
      ...Array.from({ length: 99 }, (_, index) => guess(`wrong-${index}`)),
      guess(own.secretOf('machine')),
    ]);
    const looked = statuses.filter((status) => status === 401).length;
    assert.ok(looked <= 20, `${looked} were looked at`);
    assert.equal(
      statuses.filter((status) => status === 429).length,
      100 - looked,
      'the right one came too late',
    );
  });

  test('MT-04 an application keeps its client_id, and another never inherits it', async () => {
    await assert.rejects(
      apply({ applications: [{ name: 'web', clientId: 'web-renamed' }] }),
      /application acme\/web: clientId cannot be changed/,
    );
  });

  test('AZ-18 a login that asks for no table or a malformed scope is refused', async () => {
    const browser = createBrowser(server.issuer);
    for (const [parameters, error] of [
      [{ authorization_details: '[]' }, 'invalid_authorization_details'],
      [{ authorization_details: ' [ ] ' }, 'invalid_authorization_details'],
      [{ permissions: '{"isAdmin":false,"tables":{}}' }, 'invalid_authorization_details'],
      [{ scope: 'openid t\u00e4:read' }, 'invalid_scope'],
      [{ response_mode: 'fragment' }, 'invalid_request'],
    ] as const) {
      const page = await browser.get(flow.request(parameters).url);
      const { searchParams, hash } = new URL(page.url);
      const fragment = new URLSearchParams(hash.slice(1));
      assert.equal(searchParams.get('error') ?? fragment.get('error'), error, JSON.stringify(parameters));
    }
    for (const scope of ['t\u00e4:read', '"x":read', '\\:read', 'orders\u200b:read']) {
      assert.equal((await server.token('machine', { scope })).json.error, 'invalid_scope', scope);
    }
    assert.equal(
      (
        await server.post('/oauth/token', 'shop', {
          grant_type: 'password',
          username: 'ann',
          password: PASSWORD,
        })
      ).status,
      200,
    );
  });
});

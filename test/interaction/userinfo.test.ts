/** Which tokens are good at userinfo, and what it says to whom. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { exchangeForm } from '../support/exchange.ts';
import {
  OPAQUE_RESOURCE,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
  tablesOf,
} from '../support/server.ts';
import { createFlow, type Flow } from './flow.ts';

const READS_ORDERS = { isAdmin: false, tables: { orders: { read: true } } };

describe('userinfo', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const find = (name: string) => acme.applications.find((each: { name: string }) => each.name === name);
        const web = find('web');
        web.grants.push('token_exchange');
        web.mayExchange = ['partner'];
        web.resources = { [OPAQUE_RESOURCE]: READS_ORDERS };
        acme.roles.push({
          name: 'opaque-reader',
          resource: OPAQUE_RESOURCE,
          scopes: [],
          permissions: READS_ORDERS,
        });
        const ann = acme.users.find((user: { application: string }) => user.application === 'web');
        ann.roles.push('opaque-reader');
        acme.applications.push({
          name: 'partner',
          clientId: 'partner',
          clientSecret: 'secret-of-partner-'.padEnd(40, 'x'),
          grants: ['token_exchange'],
          resource: RESOURCE,
          scopes: ['orders.read'],
          permissions: web.permissions,
        });
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  async function login(parameters: Record<string, string>): Promise<Record<string, any>> {
    const { code, pkce } = await flow.login(parameters);
    const { status, json, text } = await flow.redeem(code, pkce.verifier);
    assert.equal(status, 200, text);
    return json;
  }

  async function userinfo(token: string): Promise<{ status: number; claims: Record<string, unknown> }> {
    const answer = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: answer.status, claims: (await answer.json()) as Record<string, unknown> };
  }

  const exchange = (token: string, form: Record<string, string> = {}, client = 'web') =>
    server.post('/oauth/token', client, exchangeForm(token, form));

  test('IN-05 a token of a login for a resource is good there if its scope has openid', async () => {
    const json = await login({ scope: 'openid email orders:read' });
    const { aud, sub } = decodeJwt(json.access_token);
    assert.equal(aud, RESOURCE, 'one string');
    const { status, claims } = await userinfo(json.access_token);
    assert.equal(status, 200);
    assert.deepEqual(claims, { sub, email: 'ann@acme.example', email_verified: claims.email_verified });
    assert.equal((await server.introspect(json.access_token)).aud, RESOURCE);
  });

  test('IN-05 so is an opaque one, and what a refresh gives', async () => {
    const json = await login({ scope: 'openid orders:read', resource: OPAQUE_RESOURCE });
    assert.match(json.access_token, /^gat_/);
    assert.equal((await userinfo(json.access_token)).status, 200);
    const refreshed = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    assert.deepEqual(tablesOf(refreshed.json), { orders: 'r' });
    assert.equal((await userinfo(refreshed.json.access_token)).status, 200);
  });

  test('IN-05 a login that did not ask for openid is not', async () => {
    const { access_token } = await login({ scope: 'orders.read orders:read' });
    assert.equal((await userinfo(access_token)).status, 403);
  });

  test('IN-05 a refresh that leaves openid out is not', async () => {
    const { refresh_token } = await login({ scope: 'openid email orders.read' });
    const form = { grant_type: 'refresh_token', refresh_token, scope: 'orders.read' };
    const { json } = await server.post('/oauth/token', 'web', form);
    assert.equal((await userinfo(json.access_token)).status, 403);
  });

  test('IN-05 claims are those of granted scopes, and nothing of the resource', async () => {
    const { access_token } = await login({ scope: 'openid orders.read orders:read' });
    assert.deepEqual(Object.keys((await userinfo(access_token)).claims), ['sub']);
  });

  test('IN-05 an exchanged token is good there only if its exchange names openid', async () => {
    const { access_token } = await login({ scope: 'openid email orders.read orders:read' });
    for (const client of ['web', 'partner']) {
      const silent = await exchange(access_token, {}, client);
      assert.equal(silent.status, 200, silent.text);
      assert.notEqual((await userinfo(silent.json.access_token)).status, 200, client);
      const named = await exchange(access_token, { scope: 'openid orders:read' }, client);
      assert.equal(named.status, 200, named.text);
      assert.equal(named.json.id_token, undefined);
      const { status, claims } = await userinfo(named.json.access_token);
      assert.deepEqual([status, Object.keys(claims)], [200, ['sub']], client);
      const email = await exchange(access_token, { scope: 'openid email' }, client);
      assert.ok('email' in (await userinfo(email.json.access_token)).claims);
      const again = await exchange(named.json.access_token, { scope: 'openid email' }, client);
      assert.equal(again.json.error, 'invalid_scope', 'what was left out does not come back');
      const further = await exchange(named.json.access_token, {}, client);
      assert.notEqual((await userinfo(further.json.access_token)).status, 200);
    }
    for (const scope of ['email', 'openid offline_access', 'openid profile']) {
      assert.equal((await exchange(access_token, { scope })).json.error, 'invalid_scope', scope);
    }
  });

  test('IN-05 an exchange of what no login with openid gave cannot name it', async () => {
    const { access_token } = await login({ scope: 'orders.read' });
    assert.equal((await exchange(access_token, { scope: 'openid' })).json.error, 'invalid_scope');
  });

  test('credentials of another scheme count as none, as RFC 6750 section 3.1 has it', async () => {
    const { access_token } = await login({ scope: 'openid' });
    const url = `${server.issuer}/oauth/userinfo`;
    for (const authorization of [`Basic ${btoa('web:secret')}`, `DPoP ${access_token}`, 'Bearers x']) {
      const { status, headers } = await fetch(url, { headers: { authorization } });
      assert.deepEqual([status, headers.get('www-authenticate')], [401, `Bearer realm="${server.issuer}"`]);
      const body = new URLSearchParams({ access_token });
      assert.equal((await fetch(url, { method: 'POST', headers: { authorization }, body })).status, 200);
    }
    for (const authorization of ['Bearer', 'Bearer x y']) {
      const { status, headers } = await fetch(url, { headers: { authorization } });
      assert.equal(status, 400);
      assert.match(headers.get('www-authenticate') ?? '', /error="invalid_request"/);
    }
  });

  test('IN-05 machine tokens, revoked tokens and tokens in the query are refused', async () => {
    const machine = (await server.token('machine')).json.access_token;
    const password = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    const { access_token } = await login({ scope: 'openid orders:read' });
    assert.equal((await fetch(`${server.issuer}/oauth/userinfo?access_token=${access_token}`)).status, 400);
    const [head, body, signature = ''] = access_token.split('.');
    const forged = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    for (const token of [machine, password.json.access_token, forged]) {
      assert.equal((await userinfo(token)).status, 401);
    }
    await server.post('/oauth/revoke', 'web', { token: access_token });
    assert.equal((await userinfo(access_token)).status, 401);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  invite,
  NATIVE,
  organizationOf,
  register,
  registered,
  send,
  setAgents,
  startRegistration,
  storedOf,
} from './registration-world.ts';

describe('who may register', () => {
  test('registration is off unless an organization has it on', async () => {
    await using server = await startRegistration({ registration: 'off' });
    const { status, json, headers } = await register(server, NATIVE);
    assert.deepEqual([status, json.error], [404, 'not_found']);
    assert.equal(headers.get('www-authenticate'), null);
    const token = await invite(server, 'acme');
    assert.equal((await register(server, NATIVE, { token })).status, 404);
    const metadata = await send(`${server.issuer}/.well-known/openid-configuration`);
    assert.equal('registration_endpoint' in metadata.json, false);
  });

  test('where it takes a token, a stranger is told how to send one', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const { status, json, headers } = await register(server, NATIVE);
    assert.deepEqual([status, json.error], [401, 'invalid_token']);
    assert.match(json.error_description, /initial access token/);
    assert.equal(headers.get('www-authenticate'), `Bearer realm="${server.issuer}"`);
    for (const token of ['x', `gia_${'A'.repeat(43)}`, `gra_${'A'.repeat(43)}`]) {
      const wrong = await register(server, NATIVE, { token });
      assert.deepEqual([wrong.status, wrong.json.error], [401, 'invalid_token']);
      assert.match(wrong.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
    }
    const basic = await register(server, NATIVE, { headers: { authorization: 'Basic eDp5' } });
    assert.equal(basic.status, 401);
  });

  test('an initial access token registers as many agents as it has uses', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const token = await invite(server, 'acme', { uses: 2 });
    const refused = await register(server, { ...NATIVE, redirect_uris: ['data:,x'] }, { token });
    assert.equal(refused.status, 400);
    for (const status of [201, 201, 401])
      assert.equal((await register(server, NATIVE, { token })).status, status);
  });

  test('of many at once an initial access token lets in its number', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const token = await invite(server, 'acme', { uses: 3 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => register(server, NATIVE, { token })));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array(3).fill(201), ...Array(17).fill(401)]);
  });

  test('an initial access token expires', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const token = await invite(server, 'acme', { uses: 5, lifetime: 60 });
    assert.equal((await register(server, NATIVE, { token })).status, 201);
    server.clock.offset = 61_000;
    assert.equal((await register(server, NATIVE, { token })).status, 401);
  });

  test('switching registration off ends initial access tokens, and on revives none', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const token = await invite(server, 'acme');
    await setAgents(server, 'acme', { policy: 'any' });
    assert.equal((await register(server, { ...NATIVE, redirect_uris: [] }, { token })).status, 400);
    await setAgents(server, 'acme', { registration: 'off' });
    await setAgents(server, 'acme', { registration: 'token' });
    assert.equal((await register(server, NATIVE, { token })).status, 401);
    server.clock.offset = 1_000;
    assert.equal((await register(server, NATIVE, { token: await invite(server, 'acme') })).status, 201);
  });

  test('another application for agents ends initial access tokens', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const token = await invite(server, 'acme');
    const application = (await storedOf(server, 'shop'))!.id;
    await setAgents(server, 'acme', { application });
    assert.equal((await register(server, NATIVE, { token })).status, 401);
  });

  test('MT-02 an initial access token registers at its own organization', async () => {
    await using server = await startRegistration({ registration: 'open', otherRegistration: 'token' });
    const token = await invite(server, 'other');
    const { json } = await register(server, NATIVE, { token });
    const other = await organizationOf(server, 'other');
    assert.equal((await storedOf(server, json.client_id))!.organization, other.id);
    const open = await registered(server);
    const acme = await organizationOf(server, 'acme');
    assert.equal((await storedOf(server, open.id))!.organization, acme.id);
    const crossed = await send(open.url, { token: json.registration_access_token, method: 'DELETE' });
    assert.equal(crossed.status, 401);
  });

  test('the host that is asked names the organization that is open', async () => {
    const env = { GRANTABLE_HOSTS: '127.0.0.1' };
    await using server = await startRegistration({
      registration: 'token',
      otherRegistration: 'open',
      env,
      fixture(fixture) {
        fixture.organizations[1].hosts = ['127.0.0.1'];
      },
    });
    const { port } = new URL(server.issuer);
    assert.equal((await register(server, NATIVE)).status, 401);
    const url = `http://127.0.0.1:${port}/oauth/register`;
    const { status, json } = await send(url, { method: 'POST', body: NATIVE });
    assert.equal(status, 201);
    assert.equal(json.registration_client_uri, `${server.issuer}/oauth/register/${json.client_id}`);
    const other = await organizationOf(server, 'other');
    assert.equal((await storedOf(server, json.client_id))!.organization, other.id);
  });

  test('where registration was switched off an agent can still remove itself', async () => {
    await using server = await startRegistration();
    const agent = await registered(server);
    await setAgents(server, 'acme', { registration: 'off' });
    const put = await agent.manage({ method: 'PUT', body: { ...NATIVE, client_id: agent.id } });
    assert.equal(put.status, 404);
    assert.equal((await agent.manage()).status, 200);
    assert.equal((await agent.manage({ method: 'DELETE' })).status, 204);
  });

  test('the store has hashes of tokens only', async () => {
    await using server = await startRegistration({ registration: 'token' });
    const token = await invite(server, 'acme', { uses: 2 });
    const { json } = await register(server, { ...NATIVE, token_endpoint_auth_method: undefined }, { token });
    const { dump } = server.server.foundations.storage;
    let text = '';
    for await (const row of dump.export()) text += JSON.stringify(row);
    for (const secret of [token, json.registration_access_token, json.client_secret])
      assert.equal(text.includes(secret.slice(4)), false);
  });
});

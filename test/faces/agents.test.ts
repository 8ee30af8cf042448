/** Agents that registered, at the routes of older APIs: these ask people in other words than the consent page of agents. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACK, registered } from '../agents/registration-world.ts';
import { codeOf, createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { basic, PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { type Client, createClient, loginOf, SHOP } from './fusio-client.ts';

const ORDERS = { tables: { orders: { read: true } } };

describe('agents at the routes of older APIs', () => {
  let server: TestServer;
  let client: Client;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        const [acme] = fixture.organizations;
        const [shop] = acme.applications;
        shop.grants.push('authorization_code');
        shop.redirectUris = ['https://agents.example/unused'];
        shop.scopes = ['offline_access', 'orders.read'];
        shop.default = ORDERS;
        acme.agents = { policy: 'off', registration: 'open', application: SHOP };
        acme.faces = { fusio: { application: SHOP, registration: true } };
      },
    });
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const register = async () => {
    const { id, json } = await registered(server, { token_endpoint_auth_method: 'client_secret_basic' });
    return { id, secret: String(json.client_secret) };
  };

  test('AZ-25 an agent gets no code by the page of a Fusio client', async () => {
    const { id } = await register();
    const { token } = loginOf(await client.login());
    assert.equal((await client.send('GET', `/consumer/authorize?client_id=${id}`)).status, 404);
    const given = await client.authorize(token, {
      clientId: id,
      redirectUri: CALLBACK,
      scope: 'orders.read',
    });
    assert.equal(given.status, 400, given.text);
  });

  test('AZ-25 no grant of a face is for an agent, whatever it got elsewhere', async () => {
    const { id, secret } = await register();
    const { url, pkce } = createFlow(server).request({
      client_id: id,
      redirect_uri: CALLBACK,
      resource: RESOURCE,
      scope: 'offline_access orders.read',
      prompt: 'consent',
    });
    const landed = await createFlow(server).authorize(createBrowser(server.issuer), url);
    const form = {
      grant_type: 'authorization_code',
      code: codeOf(landed),
      redirect_uri: CALLBACK,
      code_verifier: pkce.verifier,
    };
    const authorization = basic(id, secret);
    const { json } = await server.post('/oauth/token', undefined, form, { authorization });
    assert.equal(typeof json.refresh_token, 'string', JSON.stringify(json));
    for (const form of [
      { grant_type: 'refresh_token', refresh_token: json.refresh_token },
      { grant_type: 'password', username: 'ann', password: PASSWORD },
      { grant_type: 'client_credentials' },
    ]) {
      const { status, json: refused } = await client.token(form, client.key(id, secret));
      assert.deepEqual([status, refused.error], [401, 'invalid_client'], JSON.stringify(form));
    }
  });
});

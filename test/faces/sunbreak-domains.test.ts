/** Domains of one organization tell nothing of another's, and little of who is registered. */
import assert from 'node:assert/strict';
import { request as sendRequest } from 'node:http';
import { json as readJson } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const DOMAIN = 'shop.example.org';

function start(limit: string): Promise<TestServer> {
  return startServer({
    env: { GRANTABLE_REGISTRATION_LIMIT: limit, GRANTABLE_HOSTS: 'other.localhost' },
    fixture({ organizations }) {
      for (const organization of organizations) {
        organization.applications.push({
          name: 'sites',
          clientId: `${organization.name}-sites`,
          clientSecret: `secret-of-${organization.name}-sites-`.padEnd(40, 'x'),
          grants: ['password', 'token_exchange'],
          permissions: { isAdmin: true },
        });
        organization.faces = { sunbreak: { application: 'sites', registration: true } };
      }
      organizations[1].hosts = ['other.localhost'];
    },
  });
}

type Told = { readonly status: number | undefined; readonly json: Record<string, any> };

/** @param host that picks the organization */
function post(
  { issuer }: TestServer,
  host: string,
  path: string,
  body: unknown,
  token?: string,
): Promise<Told> {
  const { hostname, port } = new URL(issuer);
  const headers = {
    host: `${host}:${port}`,
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    sendRequest({ hostname, port, path, method: 'POST', headers }, async (message) => {
      resolve({ status: message.statusCode, json: (await readJson(message)) as Record<string, any> });
    })
      .once('error', reject)
      .end(JSON.stringify(body));
  });
}

const connect = (server: TestServer, host: string, domain: string, email: string, isNewUser = true) =>
  post(server, host, '/api/database/connection', {
    data: [{ email, password: PASSWORD, name: 'Ada' }],
    context: { domain, isNewUser },
  });

describe('Sunbreak domains', () => {
  test('a domain of one organization can be taken in another, with the same channel', async () => {
    await using server = await start('1000/1h');
    const channels = [];
    for (const host of ['localhost', 'other.localhost']) {
      const { status, json } = await connect(server, host, DOMAIN, 'ada@example.org');
      assert.equal(status, 200, host);
      const data = [{ permissions: { isAdmin: false, tables: {} } }];
      const answer = await post(server, host, '/api/auth/subscribe', { data }, json.accessToken);
      channels.push(answer.json.channel);
    }
    assert.deepEqual(channels, ['shop_example_org', 'shop_example_org']);
    for (const host of ['localhost', 'other.localhost']) {
      assert.equal((await connect(server, host, DOMAIN, 'eve@example.org')).status, 409);
      assert.equal((await connect(server, host, 'shop-example.org', 'eve@example.org')).status, 409);
    }
  });

  test('asking which domains are taken is limited like registering', async () => {
    await using server = await start('3/1h');
    assert.equal((await connect(server, 'localhost', DOMAIN, 'ada@example.org')).status, 200);
    const told = [];
    for (let round = 0; round < 3; round += 1) {
      told.push((await connect(server, 'localhost', DOMAIN, `eve${round}@example.org`)).status);
    }
    assert.deepEqual(told, [409, 409, 429]);
    assert.equal((await connect(server, 'localhost', 'free.example.org', 'x@example.org')).status, 429);
    const own = await connect(server, 'localhost', DOMAIN, 'ada@example.org', false);
    assert.equal(own.status, 200, 'who is registered connects again');
  });
});

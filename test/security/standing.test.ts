import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { parseApplyFile } from '../../src/apply/file.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import {
  OPAQUE_RESOURCE,
  OTHER_RESOURCE,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
} from '../support/server.ts';

/** Of the engine, or of no server; not one of them lives. */
const NOT_LIVE = [
  '/oauth/device',
  '/oauth/device_authorization',
  '/oauth/par',
  '/oauth/request',
  '/oauth/reg',
  '/oauth/backchannel',
  '/oauth/ciba',
  '/oauth/challenge',
  '/token',
  '/auth',
  '/me',
];

describe('where tokens and documents hold', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.applications.push({
          name: 'opaque-api',
          clientId: 'opaque-api',
          clientSecret: 'secret-of-opaque-api-'.padEnd(40, 'x'),
          introspects: [OPAQUE_RESOURCE],
        });
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  /** One of each kind that can be had. */
  async function everyToken(): Promise<Record<string, string>> {
    const flow = createFlow(server);
    const password = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const tokens = {
      'client_credentials, JWT': (await server.token('machine')).json,
      'client_credentials, opaque': (await server.token('machine', { resource: OPAQUE_RESOURCE })).json,
      'password, JWT': (await server.post('/oauth/token', 'shop', password)).json,
      'password, opaque': (
        await server.post('/oauth/token', 'shop', { ...password, resource: OPAQUE_RESOURCE })
      ).json,
      authorization_code: await flow.tokens(createBrowser(server.issuer)),
      'for userinfo': await flow.tokens(createBrowser(server.issuer), { scope: 'openid' }),
    };
    return Object.fromEntries(Object.entries(tokens).map(([name, json]) => [name, json.access_token]));
  }
  const ownerOf = (name: string): string => {
    if (name.startsWith('client_credentials')) return 'machine';
    return name.startsWith('password') ? 'shop' : 'web';
  };

  test('RT-10 tokens of every grant and format obey one revocation and one expiry', async () => {
    for (const [name, token] of Object.entries(await everyToken())) {
      const owner = ownerOf(name);
      assert.equal((await server.introspect(token, owner)).active, true, name);
      assert.equal((await server.post('/oauth/revoke', owner, { token })).status, 200);
      assert.deepEqual(await server.introspect(token, owner), { active: false }, name);
    }
    const tokens = await everyToken();
    const { offset } = server.clock;
    server.clock.offset += 3_601_000;
    for (const [name, token] of Object.entries(tokens)) {
      assert.deepEqual(await server.introspect(token, ownerOf(name)), { active: false }, name);
    }
    server.clock.offset = offset;
  });

  test('JW-04 a token is good only for the API of its one audience', async () => {
    const jwt = (await server.token('machine')).json.access_token;
    assert.equal(decodeJwt(jwt).aud, RESOURCE);
    assert.equal((await server.introspect(jwt, 'shop-api')).aud, RESOURCE);
    assert.deepEqual(await server.introspect(jwt, 'opaque-api'), { active: false });
    const opaque = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    assert.equal((await server.introspect(opaque, 'opaque-api')).aud, OPAQUE_RESOURCE);
    const theirs = (await server.token('other-shop')).json.access_token;
    assert.equal(decodeJwt(theirs).aud, OTHER_RESOURCE);
    assert.equal(decodeJwt(theirs).org, 'other');
    assert.deepEqual(await server.introspect(theirs, 'shop-api'), { active: false });
    const both = await server.token('machine', { resource: OTHER_RESOURCE });
    assert.equal(both.json.error, 'invalid_target');
  });

  test('IN-04 no answer about a token may be kept by anybody on the way', async () => {
    const { access_token: token } = (await server.token('machine')).json;
    for (const [path, client, form] of [
      ['/oauth/introspect', 'shop-api', { token }],
      ['/oauth/introspect', 'shop-api', { token: 'unknown' }],
      ['/oauth/introspect', undefined, { token }],
      ['/oauth/token', 'machine', { grant_type: 'client_credentials' }],
      ['/oauth/token', 'machine', { grant_type: 'client_credentials', scope: 'nothing' }],
      ['/oauth/revoke', 'machine', { token }],
    ] as const) {
      const { headers } = await server.post(path, client, form);
      assert.equal(headers.get('cache-control'), 'no-store', path);
      assert.equal(headers.get('etag'), null);
    }
  });

  test('HD-03 the issuer is one string: in the metadata, in tokens and in answers', async () => {
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']) {
      const metadata = (await (await fetch(server.issuer + path)).json()) as Record<string, any>;
      assert.equal(metadata.issuer, server.issuer);
      for (const [name, value] of Object.entries(metadata)) {
        if (name.endsWith('_endpoint') || name === 'jwks_uri')
          assert.ok(value.startsWith(`${server.issuer}/`), name);
      }
    }
    const { json } = await server.token('machine');
    assert.equal(decodeJwt(json.access_token).iss, server.issuer);
    assert.equal((await server.introspect(json.access_token)).iss, server.issuer);
    const { answer } = await createFlow(server).login();
    assert.equal(answer.searchParams.get('iss'), server.issuer);
  });

  test('HD-03 two organizations never share a client_id, even with other redirect URIs', async () => {
    const { foundations } = server.server;
    const file = {
      organizations: [
        { name: 'other', applications: [{ name: 'web', clientId: 'web', grants: ['client_credentials'] }] },
      ],
    };
    const before = await foundations.storage.directory.revision();
    await assert.rejects(foundations.apply(parseApplyFile(JSON.stringify(file), 'file.json')), /web/);
    assert.equal(await foundations.storage.directory.revision(), before);
  });

  test('HD-04 the metadata lists all that is live and nothing else', async () => {
    const metadata = (await (
      await fetch(`${server.issuer}/.well-known/openid-configuration`)
    ).json()) as Record<string, any>;
    assert.deepEqual(metadata.grant_types_supported.toSorted(), [
      'authorization_code',
      'client_credentials',
      'password',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ]);
    assert.deepEqual(metadata.response_types_supported, ['code']);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    const endpoints = Object.keys(metadata).filter((name) => name.endsWith('_endpoint'));
    assert.deepEqual(endpoints.toSorted(), [
      'authorization_endpoint',
      'end_session_endpoint',
      'introspection_endpoint',
      'revocation_endpoint',
      'token_endpoint',
      'userinfo_endpoint',
    ]);
    for (const name of endpoints) {
      assert.notEqual((await fetch(metadata[name], { method: 'POST' })).status, 404, name);
    }
    for (const path of NOT_LIVE) {
      for (const method of ['GET', 'POST']) {
        assert.equal((await fetch(server.issuer + path, { method })).status, 404, `${method} ${path}`);
      }
    }
    // Off until an organization lets agents register.
    assert.equal((await fetch(`${server.issuer}/oauth/register`, { method: 'POST' })).status, 404);
  });

  test('HD-04 a grant that no application may use is not advertised, and is refused', async () => {
    await using without = await startServer({
      fixture({ organizations }) {
        for (const { applications } of organizations) {
          for (const each of applications)
            each.grants = each.grants.filter((grant: string) => grant !== 'password');
        }
      },
    });
    const metadata = (await (
      await fetch(`${without.issuer}/.well-known/openid-configuration`)
    ).json()) as Record<string, any>;
    assert.ok(!metadata.grant_types_supported.includes('password'));
    const { json } = await without.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assert.equal(json.error, 'unauthorized_client');
  });
});

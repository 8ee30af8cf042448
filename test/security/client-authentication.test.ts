import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { exportJWK } from 'jose';
import { basic, startServer, type TestServer } from '../support/server.ts';

const CC = { grant_type: 'client_credentials' };

describe('client authentication', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let server: TestServer;
  before(async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'client-key', alg: 'ES256', use: 'sig' };
    server = await startServer({
      fixture: (fixture) => {
        const [machine] = fixture.organizations[0].applications.filter(({ name }: any) => name === 'machine');
        const { clientSecret: _, ...rest } = machine;
        fixture.organizations[0].applications.push(
          { ...rest, name: 'keyed', clientId: 'keyed', authMethod: 'private_key_jwt', jwks: { keys: [jwk] } },
          { ...machine, name: 'posting', clientId: 'posting', authMethod: 'client_secret_post' },
        );
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  test('TE-01 GET, credentials in the query and foreign origins get nothing', async () => {
    const get = await fetch(`${server.issuer}/oauth/token?grant_type=client_credentials`, {
      headers: { accept: 'application/json' },
    });
    assert.ok([404, 405].includes(get.status));
    const inQuery = await server.post(
      `/oauth/token?client_id=machine&client_secret=${server.secretOf('machine')}`,
      undefined,
      CC,
    );
    assert.equal(inQuery.json.access_token, undefined);
    for (const origin of ['null', 'https://evil.example']) {
      const answer = await server.post('/oauth/token', 'machine', CC, { origin });
      assert.equal(answer.headers.get('access-control-allow-origin'), null, origin);
    }
  });

  test('pages of a listed origin may read when to try again', async () => {
    const origin = 'https://app.acme.example';
    const answer = await server.post(
      '/oauth/token',
      undefined,
      { grant_type: 'refresh_token', refresh_token: 'unknown', client_id: 'spa' },
      { origin },
    );
    assert.equal(answer.headers.get('access-control-allow-origin'), origin);
    assert.match(String(answer.headers.get('access-control-expose-headers')), /\bRetry-After\b/);
  });

  test('TE-02 a JSON body is refused', async () => {
    const answer = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        authorization: basic('machine', server.secretOf('machine')),
      },
      body: JSON.stringify(CC),
    });
    assert.equal(answer.status, 400);
    assert.equal(((await answer.json()) as any).error, 'invalid_request');
  });

  test('TE-05 an unknown client, a wrong secret and another kind of method answer alike', async () => {
    const machine = server.secretOf('machine');
    const answers = await Promise.all([
      server.post('/oauth/token', undefined, { ...CC, client_id: 'nobody', client_secret: 'x' }),
      server.post('/oauth/token', undefined, { ...CC, client_id: 'posting', client_secret: 'x' }),
      server.post('/oauth/token', undefined, { ...CC, client_id: 'keyed', client_secret: machine }),
      server.post('/oauth/token', undefined, { ...CC, client_id: 'spa', client_secret: machine }),
      server.post('/oauth/token', undefined, { ...CC, client_id: 'machine' }),
      server.post('/oauth/token', undefined, CC),
    ]);
    for (const { status, json } of answers) {
      assert.equal(status, 401, JSON.stringify(json));
      assert.deepEqual(json, answers[0]?.json);
    }
  });

  test('TE-06 broken Basic headers are refused without a stack trace', async () => {
    for (const header of [
      'Basic',
      'Basic ',
      'Basic %%%',
      `Basic ${Buffer.from('nocolon').toString('base64')}`,
      `Basic ${Buffer.from('a:%zz').toString('base64')}`,
      `Basic ${Buffer.from('machine:\0').toString('base64')}`,
      'Bearer x',
      'basic',
    ]) {
      const answer = await server.post('/oauth/token', undefined, CC, { authorization: header });
      assert.ok([400, 401].includes(answer.status), header);
      assert.doesNotMatch(answer.text, /at |\.ts|node_modules/);
    }
    const huge = await server
      .post('/oauth/token', undefined, CC, { authorization: `Basic ${'A'.repeat(1_000_000)}` })
      .catch(() => undefined);
    assert.ok(!huge || huge.status === 431);
  });

  test('TE-09 a disabled application or organization is invalid_client everywhere', async () => {
    const { changes, storage } = server.server.foundations;
    const token = (await server.token('shop')).json.access_token;
    const everywhere = async (status: number) => {
      const forms: [string, Record<string, string>][] = [
        ['/oauth/token', CC],
        ['/oauth/token', { grant_type: 'refresh_token', refresh_token: 'x' }],
        ['/oauth/introspect', { token }],
        ['/oauth/revoke', { token: 'x' }],
      ];
      for (const [path, form] of forms) {
        const answer = await server.post(path, 'shop', form);
        if (status === 401) assert.equal(answer.json.error, 'invalid_client', path);
        else assert.notEqual(answer.status, 401, path);
      }
    };
    await everywhere(200);
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    assert.ok(shop);
    const disabled = await changes.applications.replace({ ...shop, enabled: false }, { actor: 'test' });
    await everywhere(401);
    assert.deepEqual(await server.introspect(token), { active: false });
    await changes.applications.replace({ ...disabled, enabled: true }, { actor: 'test' });
    await everywhere(200);
    assert.deepEqual(await server.introspect(token), { active: false }, 'what was ended stays dead');
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme);
    const closed = await changes.organizations.replace({ ...acme, enabled: false }, { actor: 'test' });
    await everywhere(401);
    await changes.organizations.replace({ ...closed, enabled: true }, { actor: 'test' });
    await everywhere(200);
  });

  test('TE-11 no answer with a token may be kept', async () => {
    const answer = await server.token('machine');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const introspected = await server.post('/oauth/introspect', 'shop-api', {
      token: answer.json.access_token,
    });
    assert.equal(introspected.headers.get('cache-control'), 'no-store');
  });
});

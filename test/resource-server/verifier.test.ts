import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { rotateSigningKeys } from '../../src/keys/signing-keys.ts';
import type { Connection } from '../../src/nouns/index.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { toStored } from '../../src/permissions/stored.ts';
import { AccessError, createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { freePort } from '../support/free-port.ts';
import { createGate } from '../support/gate.ts';
import { OPAQUE_RESOURCE, PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';
import { until } from '../support/until.ts';

const AUTHOR = { actor: 'test' };
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const clerk = {
  isAdmin: false,
  tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof AccessError, String(error));
    return error.code;
  }
}

/** Waits for a verdict. */
const becomes = (code: string, verifier: Verifier, token: string): Promise<unknown> =>
  until(`the token is ${code}`, async () => (await codeOf(verifier.verify(token))) === code);

const whole = (verifier: Verifier, token: string) => becomes('accepted', verifier, token);

describe('verifying tokens at a resource server', () => {
  let server: TestServer;
  let verifier: Verifier;
  let gatePort: number;
  before(async () => {
    gatePort = await freePort();
    server = await startServer({
      env: { GRANTABLE_HOSTS: `localhost:${gatePort}` },
      fixture(fixture) {
        const [acme] = fixture.organizations;
        const [shop, machine] = acme.applications;
        shop.grants.push('token_exchange');
        shop.mayExchange = ['machine'];
        machine.grants.push('token_exchange');
      },
    });
    verifier = newVerifier();
    await whole(verifier, (await server.token('machine')).json.access_token);
  });
  const verifiers: Verifier[] = [];
  after(async () => {
    for (const each of verifiers) each.close();
    await server[Symbol.asyncDispose]();
  });

  const newVerifier = (options: object = {}): Verifier => {
    const made = createVerifier({
      issuer: server.issuer,
      resource: RESOURCE,
      clientId: 'shop-api',
      clientSecret: server.secretOf('shop-api'),
      now: () => Date.now() + server.clock.offset,
      ...options,
    });
    verifiers.push(made);
    return made;
  };
  const foundations = () => server.server.foundations;
  const login = async (username = 'ann') => {
    const { json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username,
      password: PASSWORD,
    });
    assert.ok(json.access_token, JSON.stringify(json));
    return json;
  };
  const exchange = async (token: string, client = 'shop'): Promise<string> => {
    const { json } = await server.post('/oauth/token', client, {
      grant_type: EXCHANGE,
      subject_token: token,
      subject_token_type: token.startsWith('gct_')
        ? 'urn:grantable:token-type:connection'
        : 'urn:ietf:params:oauth:token-type:access_token',
    });
    assert.ok(json.access_token, JSON.stringify(json));
    return json.access_token;
  };
  let connections = 0;
  const connect = async (): Promise<{ connection: Connection; token: string }> => {
    connections += 1;
    const shop = await foundations().storage.directory.applications.findBy('clientId', 'shop');
    assert.ok(shop);
    return foundations().connections.create(
      {
        organization: shop.organization,
        application: shop.id,
        name: `site-${connections}`,
        resource: RESOURCE,
        scopes: [],
        permissions: toStored(parsePermissions(clerk, { unknownFlags: 'refuse' })),
      },
      AUTHOR,
    );
  };
  const userOf = async (username: string) => {
    const { directory } = foundations().storage;
    const shop = await directory.applications.findBy('clientId', 'shop');
    const user = await directory.users.findBy('username', `${shop?.realm}/${username}`);
    assert.ok(user);
    return user;
  };

  test('an introspected token says when it was asked about', async () => {
    const token = (await server.token('machine')).json.access_token;
    await whole(verifier, token);
    assert.equal((await verifier.verify(token)).introspectedAt, undefined, 'a JWT that was verified here');
    let now = Date.now();
    const asking = newVerifier({ mode: 'introspection', now: () => now });
    const asked = now;
    assert.equal((await asking.verify(token)).introspectedAt, asked);
    now += 4_000;
    assert.equal((await asking.verify(token)).introspectedAt, asked, 'the same answer');
    now += 1_000;
    assert.equal((await asking.verify(token)).introspectedAt, now);
  });

  test('a JWT is read here, with what it allows table by table', async () => {
    const token = await verifier.verify((await login()).access_token);
    assert.match(token.subject, /^application:/);
    assert.equal(token.clientId, 'shop');
    assert.ok(token.scopes.has('orders.read'));
    assert.equal(token.permissions.allows('orders', 'update'), true);
    assert.equal(token.permissions.allows('orders', 'delete'), false);
    assert.equal(token.permissions.allows('nothing', 'read'), false);
    assert.ok(token.expiresAt * 1000 > Date.now());
  });

  test('JW-04 a token of another resource is refused in either mode', async () => {
    const introspecting = newVerifier({ mode: 'introspection', maxStaleness: 0 });
    const other = newVerifier({ resource: OPAQUE_RESOURCE });
    const token = (await server.token('machine')).json.access_token;
    const foreign = (await server.token('other-shop')).json.access_token;
    const opaque = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    for (const each of [verifier, introspecting]) {
      assert.equal(await codeOf(each.verify(token)), 'accepted');
      assert.equal(await codeOf(each.verify(foreign)), 'invalid_token');
      assert.equal(await codeOf(each.verify(opaque)), 'invalid_token');
    }
    assert.equal(await codeOf(other.verify(token)), 'invalid_token');
    assert.equal(await codeOf(other.verify(opaque)), 'accepted', 'opaque tokens are asked about');
    other.close();
  });

  test('JW-01 JW-02 JW-03 JW-05 a foreign or malformed token is refused', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: server.issuer,
      sub: 'client:x',
      aud: RESOURCE,
      client_id: 'x',
      jti: 'x',
      iat: now,
      exp: now + 60,
      anc: [],
      as_of: Date.now(),
      permissions: { isAdmin: true, tables: {} },
    };
    const sign = (header: object, payload: object = claims) =>
      new SignJWT(payload as never)
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
        .sign(privateKey);
    const good = (await server.token('machine')).json.access_token as string;
    const [head = '', body = '', signature = ''] = good.split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const none = `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(claims)}.`;
    const bad = [
      'x',
      'x.y.z',
      none,
      await sign({}),
      await sign({ jwk: await exportJWK(publicKey) }),
      await sign({ jku: 'http://127.0.0.1:1/keys' }),
      await sign({ kid: '../../etc/passwd' }),
      `${head}.${encode({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), permissions: { isAdmin: true, tables: {} } })}.${signature}`,
      tampered(good),
      `${good}.x`,
      'a'.repeat(20_000),
      (await login()).refresh_token,
      (await connect()).token,
    ];
    for (const token of bad) {
      assert.equal(await codeOf(verifier.verify(token)), 'invalid_token', token.slice(0, 60));
    }
    const aging = (await server.token('machine')).json.access_token;
    server.clock.offset += 3_601_000;
    assert.equal(await codeOf(verifier.verify(aging)), 'invalid_token', 'expired');
    server.clock.offset -= 3_601_000;
  });

  test('JW-06 a key that signs at once is found as soon as it is published', async () => {
    const earlier = (await server.token('machine')).json.access_token;
    const { storage, vault, now, longestLifetime } = foundations();
    const deps = { keys: storage.keys, vault, now };
    await rotateSigningKeys(deps, { immediately: true, longestLifetime });
    const later = await until('the new key signs', async () => {
      const token = (await server.token('machine')).json.access_token;
      return decodeProtectedHeader(token).kid !== decodeProtectedHeader(earlier).kid && token;
    });
    await whole(verifier, later);
    assert.equal(await codeOf(verifier.verify(earlier)), 'accepted');
  });

  test('TX-06 RT-07 RT-08 a token ended anywhere above it is refused', async () => {
    const { changes } = foundations();
    const refused = async (...tokens: string[]) => {
      for (const token of tokens) await becomes('invalid_token', verifier, token);
    };
    const own = (await server.token('machine')).json.access_token;
    await verifier.verify(own);
    await server.post('/oauth/revoke', 'machine', { token: own });
    await refused(own);

    const { access_token: access, refresh_token: refresh } = await login();
    await verifier.verify(access);
    await server.post('/oauth/revoke', 'shop', { token: refresh });
    await refused(access);

    const { token, connection } = await connect();
    const child = await exchange(token);
    const grandchild = await exchange(child, 'machine');
    for (const each of [child, grandchild]) await verifier.verify(each);
    await foundations().connections.end(connection, AUTHOR);
    await refused(child, grandchild);

    const second = await connect();
    const parent = await exchange(second.token);
    const below = await exchange(await exchange(parent, 'machine'), 'machine');
    await verifier.verify(below);
    await server.post('/oauth/revoke', 'shop', { token: parent });
    await refused(parent, below);
    assert.equal(await codeOf(verifier.verify(await exchange(second.token))), 'accepted');

    const bob = await userOf('bob');
    const bobs = (await login('bob')).access_token;
    await verifier.verify(bobs);
    const disabled = await changes.users.replace({ ...bob, enabled: false }, AUTHOR);
    await refused(bobs);
    await changes.users.replace({ ...disabled, enabled: true }, AUTHOR);
    await whole(verifier, (await login('bob')).access_token);
    assert.equal(await codeOf(verifier.verify(bobs)), 'invalid_token', 'what is older stays dead');

    const machine = await foundations().storage.directory.applications.findBy('clientId', 'machine');
    assert.ok(machine);
    const machines = (await server.token('machine')).json.access_token;
    await verifier.verify(machines);
    const off = await changes.applications.replace({ ...machine, enabled: false }, AUTHOR);
    await refused(machines);
    await changes.applications.replace({ ...off, enabled: true }, AUTHOR);
  });

  test('E5 a JWT made while the clock was ahead is refused once the clock is right', async () => {
    const { changes } = foundations();
    server.clock.offset += 600_000;
    const token = (await login('bob')).access_token;
    server.clock.offset -= 600_000;
    const bob = await userOf('bob');
    const passwordHash = await foundations().passwords.hash(PASSWORD, { organization: bob.id });
    await changes.users.replace({ ...bob, passwordHash }, AUTHOR);
    assert.equal(await codeOf(verifier.verify(token)), 'invalid_token');
  });

  test('RT-08 rights that were taken away are gone from JWTs that still say them', async () => {
    const { changes, storage } = foundations();
    const token = (await login()).access_token;
    assert.equal((await verifier.verify(token)).permissions.allows('orders', 'update'), true);
    const ann = await userOf('ann');
    const reader = await storage.directory.roles.findBy('name', `${ann.organization}/reader`);
    assert.ok(reader);
    const narrowed = await changes.users.replace({ ...ann, roles: [reader.id] }, AUTHOR);
    await until(
      'the right is gone',
      async () => !(await verifier.verify(token)).permissions.allows('orders', 'update'),
    );
    assert.equal((await verifier.verify(token)).permissions.allows('orders', 'read'), true);
    await changes.users.replace({ ...narrowed, roles: ann.roles }, AUTHOR);
  });

  test('E4 while the feed is cut, tokens are good until its silence is too long', async () => {
    const gate = createGate(Number(new URL(server.issuer).port));
    await gate.open(gatePort);
    const errors: unknown[] = [];
    const cutOff = newVerifier({
      backChannel: `http://localhost:${gatePort}`,
      // Twice as long as a question to the feed waits, so that a busy machine does not seem silent.
      maxFeedSilence: 10,
      onError: (error: unknown) => errors.push(error),
    });
    const [kept, doomed] = [
      (await server.token('machine')).json.access_token,
      (await server.token('machine')).json.access_token,
    ];
    await whole(cutOff, kept);
    await whole(cutOff, doomed);
    await gate.close();
    await server.post('/oauth/revoke', 'machine', { token: doomed });
    assert.equal(await codeOf(cutOff.verify(doomed)), 'accepted', 'nobody told it');
    for (const token of [kept, doomed]) await becomes('unavailable', cutOff, token);
    await gate.open(gatePort);
    await until('it is back', async () => {
      assert.notEqual(await codeOf(cutOff.verify(doomed)), 'accepted', 'never again');
      return (await codeOf(cutOff.verify(kept))) === 'accepted';
    });
    assert.equal(await codeOf(cutOff.verify(doomed)), 'invalid_token');
    assert.ok(errors.length > 0);
    cutOff.close();
    await gate.close();
  });

  test('an unsigned, foreign or old answer of the feed is not believed', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const good = await fetch(`${server.issuer}/oauth/revocations`, {
      headers: {
        authorization: `Basic ${Buffer.from(`shop-api:${server.secretOf('shop-api')}`).toString('base64')}`,
      },
    });
    const genuine = await good.text();
    const claims = JSON.parse(Buffer.from(genuine.split('.')[1] ?? '', 'base64url').toString());
    const forged = await new SignJWT({ ...claims, nodes: [] })
      .setProtectedHeader({ alg: 'ES256', typ: 'revocations+jwt' })
      .sign(privateKey);
    const accessToken = (await server.token('machine')).json.access_token;
    for (const lie of ['', '{}', forged, accessToken, genuine]) {
      const port = await freePort();
      let lies = 0;
      const liar = createServer(async (request, response) => {
        if (request.url?.startsWith('/oauth/jwks')) {
          response.end(await (await fetch(`${server.issuer}/oauth/jwks`)).text());
          return;
        }
        lies += 1;
        response.end(lie);
      });
      await new Promise<void>((resolve) => liar.unref().listen(port, '127.0.0.1', resolve));
      // What was genuine once is stale an hour later.
      const late = lie === genuine ? 3_000_000 : 0;
      const fooled = newVerifier({
        backChannel: `http://127.0.0.1:${port}`,
        now: () => Date.now() + late,
      });
      await until('it asks again', () => lies === 2);
      assert.equal(await codeOf(fooled.verify(accessToken)), 'unavailable', lie.slice(0, 40));
      fooled.close();
      liar.closeAllConnections();
      await new Promise((resolve) => liar.close(resolve));
    }
  });

  test('LG-08 a refresh token is not taken as an access token', async () => {
    const { refresh_token: refresh, access_token: own } = await login();
    for (const mode of ['local', 'introspection']) {
      const shop = newVerifier({ mode, clientId: 'shop', clientSecret: server.secretOf('shop') });
      if (mode === 'introspection') assert.equal(await codeOf(shop.verify(own)), 'accepted');
      assert.equal(await codeOf(shop.verify(refresh)), 'invalid_token', mode);
      shop.close();
    }
  });

  test('a genuine answer of the feed to another question is not believed', async () => {
    const doomed = (await server.token('machine')).json.access_token;
    await server.post('/oauth/revoke', 'machine', { token: doomed });
    const ask = async (query: string): Promise<string> => {
      const response = await fetch(`${server.issuer}/oauth/revocations${query}`, {
        headers: {
          authorization: `Basic ${Buffer.from(`shop-api:${server.secretOf('shop-api')}`).toString('base64')}`,
        },
      });
      return response.text();
    };
    const { next } = decodeJwt<{ next: string }>(await ask(''));
    const nothingNew = await ask(`?after=${next}`);
    const port = await freePort();
    let replayed = 0;
    const replaying = createServer(async (request, response) => {
      const isKeys = request.url?.startsWith('/oauth/jwks');
      if (!isKeys) replayed += 1;
      response.end(isKeys ? await (await fetch(`${server.issuer}/oauth/jwks`)).text() : nothingNew);
    });
    await new Promise<void>((resolve) => replaying.unref().listen(port, '127.0.0.1', resolve));
    const fooled = newVerifier({ backChannel: `http://127.0.0.1:${port}` });
    await until('it asks again', () => replayed === 2);
    assert.equal(await codeOf(fooled.verify(doomed)), 'unavailable');
    fooled.close();
    replaying.closeAllConnections();
    await new Promise((resolve) => replaying.close(resolve));
  });

  test('a feed that does not speak of the resource is believed for nothing', async () => {
    const foundations = server.server.foundations;
    const { applications } = foundations.storage.directory;
    const own = newVerifier();
    const token = (await server.token('machine')).json.access_token;
    await whole(own, token);
    const elsewhere = newVerifier({ resource: OPAQUE_RESOURCE });
    const opaque = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    await whole(elsewhere, opaque);
    const shopApi = await applications.findBy('clientId', 'shop-api');
    assert.ok(shopApi);
    await foundations.changes.applications.replace({ ...shopApi, introspects: [OPAQUE_RESOURCE] }, AUTHOR);
    // The poll that is under way ends with this.
    await server.post('/oauth/revoke', 'machine', { token: opaque });
    await becomes('unavailable', own, token);
    const changed = await applications.findBy('clientId', 'shop-api');
    assert.ok(changed);
    await foundations.changes.applications.replace({ ...changed, introspects: shopApi.introspects }, AUTHOR);
    await whole(own, token);
  });

  test('a verifier that may not ask any more accepts nothing', async () => {
    const foundations = server.server.foundations;
    const { organizations } = foundations.storage.directory;
    const token = (await server.token('machine')).json.access_token;
    const gate = createGate(Number(new URL(server.issuer).port));
    await gate.open(gatePort);
    const cutOff = newVerifier({ backChannel: `http://localhost:${gatePort}` });
    await whole(cutOff, token);
    await gate.close();
    const acme = await organizations.findBy('name', 'acme');
    assert.ok(acme);
    await foundations.changes.organizations.replace({ ...acme, enabled: false }, AUTHOR);
    await gate.open(gatePort);
    await until('it accepts nothing', async () => (await codeOf(cutOff.verify(token))) !== 'accepted');
    const disabled = await organizations.findBy('name', 'acme');
    assert.ok(disabled);
    await foundations.changes.organizations.replace({ ...disabled, enabled: true }, AUTHOR);
    await gate.close();
  });

  test('JW-08 a question older than an answer may be is not shared', async () => {
    const held = Promise.withResolvers<void>();
    let asked = 0;
    const port = await freePort();
    const slow = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await fetch(`${server.issuer}${request.url}`, {
        method: 'POST',
        headers: {
          authorization: String(request.headers.authorization),
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: Buffer.concat(chunks),
      });
      const text = await answer.text();
      asked += 1;
      if (asked === 1) await held.promise;
      response.writeHead(answer.status).end(text);
    });
    await new Promise<void>((resolve) => slow.unref().listen(port, '127.0.0.1', resolve));
    const asking = newVerifier({
      mode: 'introspection',
      maxStaleness: 1,
      backChannel: `http://127.0.0.1:${port}`,
    });
    const token = (await server.token('machine')).json.access_token;
    const early = codeOf(asking.verify(token));
    await until('it is asked', () => asked === 1);
    await server.post('/oauth/revoke', 'machine', { token });
    server.clock.offset += 1_000;
    assert.equal(await codeOf(asking.verify(token)), 'invalid_token');
    held.resolve();
    assert.equal(await early, 'accepted', 'it was asked before the end');
    assert.equal(await codeOf(asking.verify(token)), 'invalid_token', 'the older answer replaces none');
    slow.closeAllConnections();
    await new Promise((resolve) => slow.close(resolve));
  });

  test('before anything is known of revocations, and without keys, nothing is accepted', async () => {
    const token = (await server.token('machine')).json.access_token;
    const fresh = newVerifier();
    assert.equal(await codeOf(fresh.verify(token)), 'unavailable');
    await whole(fresh, token);
    fresh.close();
    const nowhere = newVerifier({ backChannel: 'http://127.0.0.1:1' });
    assert.equal(await codeOf(nowhere.verify(token)), 'unavailable');
    nowhere.close();
    const wrong = newVerifier({ mode: 'introspection', clientSecret: 'wrong' });
    assert.equal(await codeOf(wrong.verify(token)), 'unavailable');
  });

  test('JW-08 an introspection answer is shared and used for its stated time only', async () => {
    const gate = createGate(Number(new URL(server.issuer).port));
    await gate.open(gatePort);
    const asking = newVerifier({
      mode: 'introspection',
      maxStaleness: 60,
      backChannel: `http://localhost:${gatePort}`,
    });
    const token = (await server.token('machine')).json.access_token;
    const answers = await Promise.all(Array.from({ length: 20 }, () => codeOf(asking.verify(token))));
    assert.deepEqual([...new Set(answers)], ['accepted']);
    await server.post('/oauth/revoke', 'machine', { token });
    assert.equal(await codeOf(asking.verify(token)), 'accepted', 'within the stated time');
    assert.equal(await codeOf(asking.verify(tampered(token))), 'invalid_token', 'it is another');
    server.clock.offset += 60_100;
    assert.equal(await codeOf(asking.verify(token)), 'invalid_token');
    server.clock.offset -= 60_100;
    const never = newVerifier({ mode: 'introspection', maxStaleness: 0 });
    const other = (await server.token('machine')).json.access_token;
    assert.equal(await codeOf(never.verify(other)), 'accepted');
    await server.post('/oauth/revoke', 'machine', { token: other });
    assert.equal(await codeOf(never.verify(other)), 'invalid_token');
    await gate.close();
    server.clock.offset += 120_000;
    assert.equal(await codeOf(asking.verify(other)), 'unavailable', 'the server is away');
    server.clock.offset -= 120_000;
  });
});

import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, exportJWK, SignJWT } from 'jose';
import { OPAQUE_RESOURCE, PASSWORD, startServer, type TestServer } from '../support/server.ts';

const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

describe('forged and foreign tokens', () => {
  let server: TestServer;
  let jwt: string;
  let jwks: { keys: Record<string, string>[] };
  before(async () => {
    server = await startServer();
    jwt = (await server.token('machine')).json.access_token;
    jwks = (await (await fetch(`${server.issuer}/oauth/jwks`)).json()) as typeof jwks;
  });
  after(() => server[Symbol.asyncDispose]());

  const assertInactive = async (token: string, what: string) =>
    assert.deepEqual(await server.introspect(token), { active: false }, what);

  test('JW-01 tokens without a valid signature are inactive', async () => {
    const claims = decodeJwt(jwt);
    const header = decodeProtectedHeader(jwt);
    const rsa = jwks.keys.find(({ kty }) => kty === 'RSA');
    assert.ok(rsa);
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      await assertInactive(`${b64({ ...header, alg })}.${b64(claims)}.`, alg);
    }
    for (const secret of [JSON.stringify(rsa), ` ${JSON.stringify(rsa)}`, rsa.n ?? '', '']) {
      const input = `${b64({ alg: 'HS256', typ: 'at+jwt', kid: rsa.kid })}.${b64(claims)}`;
      await assertInactive(
        `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`,
        'HS256',
      );
    }
    const [head = '', body = '', signature = ''] = jwt.split('.');
    for (const forged of [
      Buffer.alloc(64).toString('base64url'),
      '',
      signature.slice(0, -2),
      `${signature}AA`,
    ]) {
      await assertInactive(`${head}.${body}.${forged}`, 'signature');
    }
    for (const extra of [
      { crit: ['x'], x: 1 },
      { b64: false, crit: ['b64'] },
      { zip: 'DEF' },
      { jku: 'https://evil.example' },
      { alg: 'PBES2-HS256+A128KW', p2c: 1e9, enc: 'A128GCM' },
    ]) {
      await assertInactive(`${b64({ ...header, ...extra })}.${body}.${signature}`, JSON.stringify(extra));
    }
    await assertInactive(
      `${head}.${b64({ ...claims, permissions: { isAdmin: true, tables: {} } })}.${signature}`,
      'changed claims',
    );
  });

  test('JW-01 a token signed by a foreign key is inactive, whatever its kid', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = await exportJWK(privateKey);
    for (const header of [
      { kid: decodeProtectedHeader(jwt).kid },
      { kid: 'unknown' },
      { jwk: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } },
    ]) {
      const forged = await new SignJWT(decodeJwt(jwt))
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header } as never)
        .sign(privateKey);
      await assertInactive(forged, JSON.stringify(header));
    }
  });

  test('JW-02 a kid is a name and nothing else', async () => {
    const [, body, signature] = jwt.split('.');
    for (const kid of [
      '../../etc/passwd',
      "' OR 1=1 --",
      'https://evil.example/jwks',
      ['a'],
      { a: 1 },
      null,
      7,
      'x'.repeat(10_000),
    ]) {
      await assertInactive(
        `${b64({ alg: 'ES256', typ: 'at+jwt', kid })}.${body}.${signature}`,
        String(kid).slice(0, 30),
      );
    }
  });

  test('JW-03 only what is typed as an access token is one', async () => {
    const { privateKey } = server.server.foundations.signingKeys.active('ES256');
    const { kid } = server.server.foundations.signingKeys.active('ES256');
    for (const typ of ['JWT', 'logout+jwt', 'token-introspection+jwt', undefined]) {
      const input = `${b64({ alg: 'ES256', kid, ...(typ && { typ }) })}.${b64(decodeJwt(jwt))}`;
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      await assertInactive(`${input}.${signature.toString('base64url')}`, String(typ));
    }
  });

  test('JW-05 expiry is exact, and malformed times are refused', async () => {
    const { json } = await server.token('machine');
    const { exp = 0 } = decodeJwt(json.access_token);
    server.clock.stoppedAt = exp * 1000 - 1;
    assert.equal((await server.introspect(json.access_token)).active, true);
    server.clock.stoppedAt = exp * 1000;
    await assertInactive(json.access_token, 'after exp');
    delete server.clock.stoppedAt;
    const { privateKey, kid } = server.server.foundations.signingKeys.active('ES256');
    for (const times of [{ exp: '9999999999' }, { exp: null }, { exp: 1e15, nbf: 1e12 }]) {
      const input = `${b64({ alg: 'ES256', kid, typ: 'at+jwt' })}.${b64({ ...decodeJwt(jwt), jti: 'x', ...times })}`;
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      await assertInactive(`${input}.${signature.toString('base64url')}`, JSON.stringify(times));
    }
  });

  test('JW-08 a changed copy of a token that was verified before is not taken for it', async () => {
    await server.introspect(jwt);
    const at = jwt.lastIndexOf('.') + 10;
    const changed = jwt.slice(0, at) + (jwt[at] === 'A' ? 'B' : 'A') + jwt.slice(at + 1);
    await assertInactive(changed, 'changed signature');
    assert.equal((await server.introspect(jwt)).active, true);
  });

  test('JW-10 every changed copy of an opaque token is inactive', async () => {
    const { json } = await server.token('machine', { resource: OPAQUE_RESOURCE });
    const token: string = json.access_token;
    const copies = [
      ...Array.from({ length: 10 }, (_, cut) => token.slice(0, -1 - cut)),
      `${token}A`,
      ` ${token}`,
      `${token} `,
      token.toUpperCase(),
      token.toLowerCase(),
      token.slice(4),
      token.replace('gat_', 'grt_'),
    ].filter((copy) => copy !== token);
    for (const copy of copies) await assertInactive(copy, copy);
    assert.equal((await server.introspect(token)).active, true);
  });

  test('JW-10 the public id of a token does not find it', async () => {
    await assertInactive(String(decodeJwt(jwt).jti), 'jti');
    await assertInactive(`gat_${decodeJwt(jwt).jti}`, 'jti as opaque token');
  });

  test('JW-06 the JWKS has a key of each named kind, and no private part', async () => {
    for (const key of jwks.keys)
      for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi']) assert.equal(key[part], undefined);
    assert.equal(new Set(jwks.keys.map(({ kid }) => kid)).size, jwks.keys.length);
    assert.deepEqual(jwks.keys.map(({ alg }) => alg).sort(), ['ES256', 'RS256']);
  });

  test('IN-01 only who may know learns anything: others get exactly the inactive answer', async () => {
    assert.equal((await server.introspect(jwt, 'shop-api')).active, true);
    assert.equal((await server.introspect(jwt, 'machine')).active, true);
    for (const client of ['shop', 'web', 'other-shop', 'other-api']) {
      assert.deepEqual(await server.introspect(jwt, client), { active: false }, client);
    }
    assert.equal((await server.post('/oauth/introspect', undefined, { token: jwt })).status, 401);
    assert.equal(
      (await server.post('/oauth/introspect', undefined, { token: jwt, client_id: 'spa' })).json.error,
      'invalid_client',
    );
  });

  test('IN-03 any token and any hint get the right answer', async () => {
    const login = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    const refreshed = await server.post('/oauth/introspect', 'shop', { token: login.json.refresh_token });
    assert.equal(refreshed.json.active, true);
    assert.equal(refreshed.json.token_type, undefined);
    await assertInactive(login.json.refresh_token, 'a refresh token is nothing to a resource server');
    for (const hint of ['refresh_token', 'access_token', 'nonsense', '']) {
      const answer = await server.post('/oauth/introspect', 'shop-api', {
        token: jwt,
        token_type_hint: hint,
      });
      assert.equal(answer.json.active, true, hint);
    }
    for (const token of [
      'x',
      'a.b.c',
      'eyJ',
      'eyJhbGciOiJFUzI1NiJ9..',
      '.'.repeat(1_000),
      'x'.repeat(50_000),
      '\u0000',
      '🙂',
    ]) {
      await assertInactive(token, token.slice(0, 20));
    }
    assert.equal(
      (await server.post('/oauth/introspect', 'shop-api', { token: 'x'.repeat(1_000_000) })).status,
      413,
    );
  });

  test('LG-08 a token is accepted only where its kind is meant', async () => {
    const userinfo = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${jwt}` },
    });
    assert.equal(userinfo.status, 401);
    const answer = await server.post('/oauth/token', undefined, {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt,
    });
    assert.equal(answer.status, 401);
  });
});

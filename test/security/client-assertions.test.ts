/** Client assertions (`private_key_jwt`): which are taken, for how long, and what the log says of the others. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { createLogger } from '../../src/http/log.ts';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const CC = { grant_type: 'client_credentials' };

describe('client assertions', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const lines: Record<string, unknown>[] = [];
  let server: TestServer;
  before(async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'client-key', alg: 'ES256', use: 'sig' };
    server = await startServer({
      log: createLogger({
        level: 'info',
        destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
      }),
      fixture: ({ organizations: [acme] }) => {
        const machine = acme.applications.find(({ name }: any) => name === 'machine');
        const { clientSecret: _, ...plain } = machine;
        const add = (name: string, rest: object = {}) =>
          acme.applications.push({
            ...plain,
            name,
            clientId: name,
            authMethod: 'private_key_jwt',
            jwks: { keys: [jwk] },
            introspects: [RESOURCE],
            ...rest,
          });
        add('keyed');
        add('older', { assertionAudience: 'endpoint' });
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const seconds = () => Math.floor((Date.now() + server.clock.offset) / 1000);
  const assertion = (
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: any = privateKey,
  ) =>
    new SignJWT({
      iss: 'keyed',
      sub: 'keyed',
      aud: server.issuer,
      jti: randomUUID(),
      iat: seconds(),
      exp: seconds() + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'client-key', ...header } as never)
      .sign(key);
  const present = async (value: string, form: Record<string, string> = CC, path = '/oauth/token') =>
    server.post(path, undefined, { client_assertion_type: ASSERTION_TYPE, client_assertion: value, ...form });
  const tokenEndpoint = () => `${server.issuer}/oauth/token`;

  test('TE-07 an assertion for this server by the registered key is accepted', async () => {
    assert.equal((await present(await assertion())).status, 200);
    assert.equal((await present(await assertion({}, { typ: 'client-authentication+jwt' }))).status, 200);
  });

  test('TE-07 every assertion that says anything else is refused', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const wrong: [string, Promise<string>][] = [
      ['the token endpoint as audience', assertion({ aud: `${server.issuer}/oauth/token` })],
      ['another audience', assertion({ aud: 'https://other.example' })],
      ['the issuer in an array with another', assertion({ aud: [server.issuer, 'https://other.example'] })],
      ['no audience', assertion({ aud: undefined })],
      ['no expiry', assertion({ exp: undefined })],
      ['an expiry in a year', assertion({ exp: seconds() + 365 * 86_400 })],
      ['an expiry that is over', assertion({ exp: seconds() - 16 })],
      ['no jti', assertion({ jti: undefined })],
      ['another issuer', assertion({ iss: 'machine' })],
      ['another subject', assertion({ sub: 'machine' })],
      ['nbf in the future', assertion({ nbf: seconds() + 600 })],
      ['a jku', assertion({}, { jku: 'https://evil.example/jwks' })],
      [
        'an embedded key',
        exportJWK(stranger).then(({ d: _, ...jwk }) => assertion({}, { jwk, kid: undefined }, stranger)),
      ],
      ['another type', assertion({}, { typ: 'at+jwt' })],
      ['a list as type', assertion({}, { typ: ['JWT'] })],
      ['the key of a stranger', assertion({}, {}, stranger)],
    ];
    for (const [what, value] of wrong) {
      const answer = await present(await value);
      assert.equal(answer.status, 401, what);
      assert.equal(answer.json.error, 'invalid_client', what);
    }
    const [, body] = (await assertion()).split('.');
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'client-key' })).toString('base64url');
      assert.equal((await present(`${header}.${body}.`)).status, 401, alg);
    }
  });

  test('TE-08 an assertion is good once, in parallel and after a restart too', async () => {
    const once = await assertion();
    assert.equal((await present(once)).status, 200);
    assert.equal((await present(once)).status, 401);
    const raced = await assertion();
    const answers = await Promise.all(Array.from({ length: 50 }, () => present(raced)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    await server.restart();
    assert.equal((await present(once)).status, 401);
    assert.equal((await present(raced)).status, 401);
  });

  test('an array with the issuer as its only member is a good audience', async () => {
    assert.equal((await present(await assertion({ aud: [server.issuer] }))).status, 200);
    for (const aud of [[], [server.issuer, server.issuer], [[server.issuer]]]) {
      assert.equal((await present(await assertion({ aud }))).status, 401, JSON.stringify(aud));
    }
  });

  test('exp, nbf and iat are forgiven 15 s', async () => {
    // Seconds that pass while the test runs are on the safe side.
    const cases: [claims: object, status: number][] = [
      [{ exp: seconds() - 10 }, 200],
      [{ exp: seconds() - 16 }, 401],
      [{ nbf: seconds() + 14 }, 200],
      [{ nbf: seconds() + 30 }, 401],
      [{ iat: seconds() + 14 }, 200],
      [{ iat: seconds() + 30 }, 401],
      [{ exp: seconds() + 3600 }, 200],
    ];
    for (const [claims, status] of cases) {
      const answer = await present(await assertion(claims as Record<string, unknown>));
      assert.equal(answer.status, status, JSON.stringify(claims));
    }
  });

  test('TE-08 a used assertion stays used until its grace is over', async () => {
    const once = await assertion({ exp: seconds() + 2 });
    assert.equal((await present(once)).status, 200);
    // For the engine, which goes by the real clock, it is still good; only the memory of it is older.
    server.clock.offset += 12_000;
    try {
      const again = await present(once);
      assert.equal(again.status, 401);
      assert.match(String(lines.at(-1)?.reason), /must only be used once/);
    } finally {
      server.clock.offset -= 12_000;
    }
  });

  test('TE-08 a used assertion whose exp is a fraction stays used as long as it is good', async () => {
    const end = seconds() + 3;
    const once = await assertion({ exp: end + 0.001 });
    assert.equal((await present(once)).status, 200);
    // Times are held against full seconds, so this is the last moment at which it is good.
    server.clock.stoppedAt = (end + 15) * 1000 + 999;
    try {
      assert.equal((await present(once)).status, 401);
      assert.match(String(lines.at(-1)?.reason), /must only be used once/);
    } finally {
      delete server.clock.stoppedAt;
    }
  });

  test('assertionAudience: endpoint takes the exact URL of the token endpoint', async () => {
    const older = { iss: 'older', sub: 'older' };
    const at = (aud: unknown, form?: Record<string, string>, path?: string) =>
      assertion({ ...older, aud }).then((value) => present(value, form, path));
    assert.equal((await at(tokenEndpoint())).status, 200);
    assert.equal((await at([tokenEndpoint()])).status, 200);
    assert.equal((await at(server.issuer)).status, 200);
    for (const aud of [
      `${tokenEndpoint()}/`,
      `${tokenEndpoint()}?a=b`,
      tokenEndpoint().replace('localhost', '127.0.0.1'),
      [server.issuer, tokenEndpoint()],
      `${server.issuer}/oauth/introspect`,
    ]) {
      assert.equal((await at(aud)).status, 401, String(aud));
    }
    for (const path of ['/oauth/introspect', '/oauth/revoke', '/oauth/revocations']) {
      const form = path === '/oauth/revocations' ? {} : { token: 'x' };
      assert.equal((await at(tokenEndpoint(), form, path)).status, 401, path);
      assert.equal((await at(server.issuer + path, form, path)).status, 401, path);
      assert.equal((await at(server.issuer, form, path)).status, 200, path);
    }
    assert.equal((await present(await assertion({ aud: tokenEndpoint() }))).status, 401, 'another client');
  });

  test('the log names both audiences that assertionAudience: endpoint takes', async () => {
    await present(await assertion({ iss: 'older', sub: 'older', aud: 'x' }));
    const both = `it must be the issuer "${server.issuer}" or "${tokenEndpoint()}" and nothing else`;
    assert.ok(String(lines.at(-1)?.reason).includes(both));
  });

  test('a start warns of an application with assertionAudience: endpoint', () => {
    const warnings = lines.filter(({ level }) => level === 'warn').map(({ msg }) => String(msg));
    assert.ok(warnings.some((warning) => warning.startsWith('application acme/older has assertionAudience')));
    assert.ok(!warnings.some((warning) => warning.includes('keyed')));
  });

  test('TE-12 an unreadable registered key refuses its client without a 500', async () => {
    const { changes, storage } = server.server.foundations;
    const keyed = (await storage.directory.applications.findBy('clientId', 'keyed'))!;
    const bad = { keys: keyed.jwks!.keys.map((key) => ({ ...key, x: 'AAAA' })) };
    const author = { actor: 'test' };
    await changes.applications.replace({ ...keyed, jwks: bad }, author);
    const refused = await present(await assertion());
    assert.deepEqual([refused.status, refused.json.error], [401, 'invalid_client']);
    const current = (await storage.directory.applications.findBy('clientId', 'keyed'))!;
    await changes.applications.replace({ ...current, jwks: keyed.jwks! }, author);
    assert.equal((await present(await assertion())).status, 200);
  });

  test('the log says why an assertion was refused, and the client is not told', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const cases: [Promise<string>, RegExp][] = [
      [
        assertion({ aud: tokenEndpoint() }),
        /aud is "http:\S+\/oauth\/token": it must be the issuer "http:\S+"/,
      ],
      [assertion({ aud: undefined }), /aud is missing/],
      [assertion({ aud: 'x'.repeat(5000) }), /aud is "x{90,100}\.\.\."/],
      [
        assertion({ sub: 'keyed', iss: 'other' }),
        /iss is "other" and sub is "keyed": both must be the client_id/,
      ],
      [assertion({ exp: seconds() - 100 }), /exp was 10\d s ago/],
      [assertion({ exp: seconds() + 9000 }), /exp is more than 3600 s away/],
      [assertion({ exp: undefined }), /exp must be a number/],
      [assertion({ nbf: seconds() + 100 }), /nbf is (?:9\d|100) s ahead/],
      [assertion({ jti: undefined }), /jti must be a string/],
      [assertion({}, { typ: 'at+jwt' }), /typ is "at\+jwt": leave it out/],
      [assertion({}, { jku: 'https://evil.example/' }), /the header jku is not accepted/],
      [assertion({}, { kid: 'unknown' }), /no applicable key/],
      [assertion({}, {}, stranger), /signature verification failed/],
    ];
    for (const [value, reason] of cases) {
      const { status, json } = await present(await value);
      assert.deepEqual(
        [status, json],
        [401, { error: 'invalid_client', error_description: 'Client authentication failed.' }],
      );
      assert.match(String(lines.at(-1)?.reason), reason);
      assert.equal(lines.at(-1)?.clientId, 'keyed');
    }
  });
});

/** Identity assertions (ID-JAG): which are taken, for whom, and what a token of one may do. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { createNoun } from '../../nouns/whole-nouns.ts';
import { freePort } from '../../support/free-port.ts';
import { storageForTests } from '../../support/mongodb.ts';
import {
  type Answer,
  basic,
  OPAQUE_RESOURCE,
  OTHER_RESOURCE,
  RESOURCE,
  startServer,
  type TestServer,
  tablesOf,
} from '../../support/server.ts';
import {
  createIssuer,
  createKey,
  IDP,
  JWT_BEARER,
  keys,
  OTHER_IDP,
  SHARED_IDP,
  trustIssuers,
} from './assertions.ts';

const AUTHOR = { actor: 'test' };

describe('identity assertions', () => {
  let server: TestServer;
  let env: Record<string, string>;
  before(async () => {
    env = await storageForTests();
    server = await startServer({ env, fixture: trustIssuers });
  });
  after(() => server[Symbol.asyncDispose]());

  const issuer = () => createIssuer(server);
  const present = (assertion: string, form: Record<string, string> = {}, client = 'desk'): Promise<Answer> =>
    server.post('/oauth/token', client, { grant_type: JWT_BEARER, assertion, ...form });
  const trade = async (claims: Record<string, unknown> = {}, form: Record<string, string> = {}) =>
    present(await issuer().assert(claims), form);
  const tokenOf = ({ status, text, json }: Answer): string => {
    assert.equal(status, 200, text);
    return json.access_token;
  };
  const directory = () => server.server.foundations.storage.directory;
  const organization = async () => {
    const found = await directory().organizations.findBy('name', 'acme');
    assert.ok(found);
    return found;
  };
  const userOf = async (subject: string) => {
    const { application } =
      (await (await server.server.foundations.directory.view()).findApplication('desk')) ?? {};
    const found = await directory().users.findBy('identity', `${application?.realm} ${IDP} ${subject}`);
    assert.ok(found);
    return found;
  };
  const changes = () => server.server.foundations.changes;

  async function assertRejected(answer: Answer, reason: RegExp): Promise<void> {
    assert.equal(answer.status, 400, answer.text);
    assert.deepEqual(answer.json, {
      error: 'invalid_grant',
      error_description: 'The assertion is not valid.',
    });
    const requestId = answer.headers.get('x-request-id');
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 50 });
    const entry = entries.find((each) => each.requestId === requestId);
    assert.match(entry?.reason ?? 'no audit entry', reason);
    assert.equal(entry?.event, 'request.refused');
    // Each address gets so many rows in a minute.
    server.clock.offset += 60_000;
  }

  test('an assertion of a trusted issuer gives a token for the linked user', async () => {
    const { status, json, text } = await trade();
    assert.equal(status, 200, text);
    const claims = decodeJwt(json.access_token);
    assert.equal(claims.username, 'cleo');
    assert.equal(claims.client_id, 'desk');
    assert.equal(claims.aud, RESOURCE);
    assert.deepEqual(tablesOf(json), { orders: 'cru', products: 'r' });
  });

  test('there is no refresh token, and the token lives as long as others', async () => {
    const { json } = await trade();
    assert.equal(json.refresh_token, undefined);
    assert.equal(json.expires_in, 3600);
  });

  test('introspection says whom the token is for, and revocation ends it', async () => {
    const token = tokenOf(await trade());
    const found = await server.introspect(token);
    assert.equal(found.active, true);
    assert.equal(found.username, 'cleo');
    assert.equal((await server.post('/oauth/revoke', 'desk', { token })).status, 200);
    assert.equal((await server.introspect(token)).active, false);
  });

  test('the aud may be a list with the issuer alone', async () => {
    assert.equal((await trade({ aud: [server.issuer] })).status, 200);
  });

  const lists: [string, () => Record<string, unknown>, RegExp][] = [
    ['the token endpoint as aud', () => ({ aud: `${server.issuer}/oauth/token` }), /aud is/],
    ['a second aud', () => ({ aud: [server.issuer, 'https://other.example'] }), /aud is/],
    ['no aud', () => ({ aud: undefined }), /aud is missing/],
    ['another client_id', () => ({ client_id: 'hall' }), /client_id is "hall"/],
    ['no client_id', () => ({ client_id: undefined }), /client_id/],
    ['no sub', () => ({ sub: undefined }), /sub must/],
    ['no jti', () => ({ jti: undefined }), /jti must/],
    ['a long jti', () => ({ jti: 'x'.repeat(257) }), /jti must/],
    ['no exp', () => ({ exp: undefined }), /exp must/],
    ['no iat', () => ({ iat: undefined }), /iat is missing/],
    [
      'an exp that is over',
      () => ({ iat: issuer().seconds() - 100, exp: issuer().seconds() - 15 }),
      /exp was/,
    ],
    ['301 seconds of life', () => ({ iat: issuer().seconds() - 2, exp: issuer().seconds() + 299 }), /301 s/],
    ['an iat that is ahead', () => ({ iat: issuer().seconds() + 20 }), /iat is/],
    ['an nbf that is ahead', () => ({ nbf: issuer().seconds() + 20 }), /nbf is/],
    [
      'an issuer that no organization knows',
      () => ({ iss: 'https://idp.unknown.example' }),
      /does not trust/,
    ],
    ['an issuer in another spelling', () => ({ iss: `${IDP}/` }), /does not trust/],
    ['a tenant', () => ({ tenant: 't1' }), /tenant/],
    ['another aud_tenant', () => ({ aud_tenant: 'other' }), /aud_tenant/],
    ['a key that the request does not prove', () => ({ cnf: { jkt: 'x'.repeat(43) } }), /bound to a key/],
    ['a key of an unknown kind', () => ({ cnf: { jwk: {} } }), /cnf must/],
    ['a subject that is not linked', () => ({ sub: 'U0' }), /no user .* linked/],
    ['a subject with half a character', () => ({ sub: 'V\ud800' }), /sub must/],
    ['a subject that differs in case', () => ({ sub: 'u1' }), /no user .* linked/],
    ['a subject of another realm', () => ({ sub: 'U9' }), /no user .* linked/],
    ['a disabled user', () => ({ sub: 'U3' }), /disabled/],
    ['rights that make no sense', () => ({ scope: 'orders%:read' }), /the rights of the assertion/],
    ['a scope that is a list', () => ({ scope: ['orders:read'] }), /scope must/],
    ['details that are not a list', () => ({ authorization_details: {} }), /authorization_details must/],
    ['a resource that is a number', () => ({ resource: 7 }), /resource must/],
  ];
  for (const [what, claims, reason] of lists) {
    test(`an assertion with ${what} is refused`, async () => {
      // The binding to a key is refused in the words of other grants.
      const answer = await trade(claims());
      if (/bound/.test(reason.source)) assert.equal(answer.json.error, 'invalid_grant');
      else await assertRejected(answer, reason);
    });
  }

  test('a life of five minutes is accepted, and clocks may differ a little', async () => {
    const now = issuer().seconds();
    assert.equal((await trade({ iat: now + 14, exp: now + 314 })).status, 200);
    assert.equal((await trade({ iat: now - 310, exp: now - 10 })).status, 200);
  });

  const headers: [string, Record<string, unknown>, RegExp][] = [
    ['without typ', { typ: undefined }, /typ is/],
    ['with the typ JWT', { typ: 'JWT' }, /typ is "JWT"/],
    ['with a list as typ', { typ: ['oauth-id-jag+jwt'] }, /typ is/],
    ['with the typ of client assertions', { typ: 'client-authentication+jwt' }, /typ is/],
    ['with the typ of access tokens', { typ: 'at+jwt' }, /typ is/],
    ['that points at keys by jku', { jku: 'https://evil.example/keys' }, /header jku/],
    ['that brings its key', { jwk: keys.acme.jwk }, /header jwk/],
    ['that points at a certificate', { x5u: 'https://evil.example/x' }, /header x5u/],
    ['that names an unknown key', { kid: 'acme-2' }, /no applicable key/],
  ];
  for (const [what, header, reason] of headers) {
    test(`an assertion ${what} is refused`, async () => {
      await assertRejected(await present(await issuer().assert({}, header)), reason);
    });
  }

  test('an assertion that is not signed is refused', async () => {
    const [, payload] = (await issuer().assert()).split('.');
    const header = { alg: 'none', typ: 'oauth-id-jag+jwt' };
    const unsigned = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`;
    await assertRejected(await present(unsigned), /./);
  });

  test('an assertion signed with the public key as a secret is refused', async () => {
    const secret = new TextEncoder().encode(JSON.stringify(keys.acme.jwk));
    await assertRejected(await present(await issuer().assert({}, { alg: 'HS256' }, secret)), /alg/i);
  });

  test('TE-14 an assertion signed by another key is refused', async () => {
    const { privateKey } = createKey('acme-1');
    await assertRejected(await present(await issuer().assert({}, {}, privateKey)), /signature/);
  });

  test('TE-14 the key of one trusted issuer does not sign for another', async () => {
    const assertion = await issuer().assert({}, { kid: 'shared-1' }, keys.shared.privateKey);
    await assertRejected(await present(assertion), /no applicable key/);
  });

  test('TE-14 an issuer that only another organization trusts is refused', async () => {
    const assertion = await issuer().assert({ iss: OTHER_IDP }, { kid: 'other-1' }, keys.other.privateKey);
    await assertRejected(await present(assertion), /does not trust/);
  });

  test('at an issuer that two organizations trust each has its own users', async () => {
    const shared = (sub: string) =>
      issuer().assert({ iss: SHARED_IDP, sub }, { kid: 'shared-1' }, keys.shared.privateKey);
    assert.equal((await present(await shared('S1'))).status, 200);
    await assertRejected(await present(await shared('S2')), /no user .* linked/);
  });

  test('the same identity may be one user in each realm', async () => {
    const assertion = await issuer().assert({ client_id: 'hall' });
    const { json } = await present(assertion, {}, 'hall');
    assert.equal(decodeJwt(json.access_token).username, 'hal');
  });

  test('text that is not a JWT is refused', async () => {
    await assertRejected(await present('nonsense'), /./);
  });

  test('TE-15 an assertion is good once', async () => {
    const assertion = await issuer().assert();
    assert.equal((await present(assertion)).status, 200);
    const rows = () => server.server.foundations.storage.tokens;
    const { id } = await userOf('U1');
    const made = async () => (await rows().page({ by: 'user', id, now: 0, limit: 1_000 })).items.length;
    const before = await made();
    await assertRejected(await present(assertion), /only be used once/);
    assert.equal(await made(), before);
  });

  test('a jti is good once, also in another assertion', async () => {
    const jti = randomUUID();
    assert.equal((await trade({ jti })).status, 200);
    await assertRejected(await trade({ jti, sub: 'U2' }), /only be used once/);
  });

  test('issuers do not use up the jti of each other', async () => {
    const jti = randomUUID();
    assert.equal((await trade({ jti })).status, 200);
    const claims = { jti, iss: SHARED_IDP, sub: 'S1' };
    const assertion = await issuer().assert(claims, { kid: 'shared-1' }, keys.shared.privateKey);
    assert.equal((await present(assertion)).status, 200);
  });

  test('a request that is refused for its rights does not use up the assertion', async () => {
    const assertion = await issuer().assert();
    assert.equal((await present(assertion, { scope: 'orders:delete' })).json.error, 'invalid_scope');
    assert.equal((await present(assertion)).status, 200);
  });

  test('TE-15 of 20 parallel uses at two servers on one store one succeeds', async () => {
    const assertion = await issuer().assert();
    const port = await freePort();
    await using second = await startServer({
      port,
      dataDir: server.dataDir,
      clock: server.clock,
      env: { ...env, GRANTABLE_ISSUER: server.issuer, GRANTABLE_HOSTS: `localhost:${port}` },
      fixture: trustIssuers,
    });
    const both = [server, second];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (both[index % 2] as TestServer).post('/oauth/token', 'desk', { grant_type: JWT_BEARER, assertion }),
      ),
    );
    const errors = answers.map(({ json }) => json.error).filter((error) => error !== undefined);
    assert.deepEqual(errors, Array(19).fill('invalid_grant'));
    server.clock.offset += 60_000;
  });

  test('a client that does not authenticate is refused', async () => {
    const form = {
      grant_type: JWT_BEARER,
      assertion: await issuer().assert({ client_id: 'spa' }),
      client_id: 'spa',
    };
    const { json } = await server.post('/oauth/token', undefined, form);
    assert.equal(json.error, 'unauthorized_client');
    const unnamed = { grant_type: JWT_BEARER, assertion: await issuer().assert() };
    assert.equal((await server.post('/oauth/token', undefined, unnamed)).json.error, 'invalid_client');
  });

  test('an application without the grant is refused', async () => {
    const assertion = await issuer().assert({ client_id: 'closed' });
    assert.equal((await present(assertion, {}, 'closed')).json.error, 'unauthorized_client');
  });

  test('a request without an assertion is refused, and so is one with two', async () => {
    const form = { grant_type: JWT_BEARER };
    assert.equal((await server.post('/oauth/token', 'desk', form)).json.error, 'invalid_request');
    const twice = `${new URLSearchParams([...Object.entries(form), ['assertion', 'a'], ['assertion', 'b']])}`;
    const response = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      headers: {
        authorization: basic('desk', server.secretOf('desk')),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: twice,
    });
    assert.match(await response.text(), /"invalid_request"/);
  });

  describe('rights', () => {
    test('an assertion that names tables by scope gives these tables and no scopes', async () => {
      const { json } = await trade({ scope: 'orders:read' });
      assert.deepEqual(tablesOf(json), { orders: 'r' });
      assert.equal(json.scope, 'orders:read');
    });

    test('an assertion that names scopes only gives no tables', async () => {
      const { json } = await trade({ scope: 'orders.read openid' });
      assert.deepEqual(tablesOf(json), {});
      assert.equal(json.scope, 'orders.read');
    });

    test('an assertion that names authorization details gives what they allow', async () => {
      const details = [
        { type: 'table_access', locations: [RESOURCE], identifier: 'orders', actions: ['read', 'update'] },
      ];
      const { json, text } = await trade({ authorization_details: details });
      assert.deepEqual(tablesOf(json), { orders: 'ru' }, text);
    });

    test('an assertion for more than the user has gives what the user has', async () => {
      const { json } = await trade({
        sub: 'U2',
        scope: 'orders:read orders:update orders:delete products:read',
      });
      assert.deepEqual(tablesOf(json), { orders: 'r' });
    });

    test('an assertion for everything gives no more than the ceiling', async () => {
      const { json } = await trade({ scope: '*:admin' });
      assert.deepEqual(tablesOf(json), { orders: 'cru', products: 'r' });
    });

    test('a request gets less than the assertion has if it asks for less', async () => {
      const { json } = await trade({ scope: 'orders:read products:read' }, { scope: 'products:read' });
      assert.deepEqual(tablesOf(json), { products: 'r' });
    });

    test('TE-14 a request for more rights than the assertion has is refused', async () => {
      const { json } = await trade({ scope: 'orders:read' }, { scope: 'orders:read products:read' });
      assert.equal(json.error, 'invalid_scope');
      const details = JSON.stringify([{ type: 'table_access', identifier: 'products', actions: ['read'] }]);
      const form = { authorization_details: details };
      assert.equal((await trade({ scope: 'orders:read' }, form)).json.error, 'invalid_authorization_details');
    });

    test('a request for a scope that the assertion does not name is refused', async () => {
      const { json } = await trade({ scope: 'orders:read' }, { scope: 'orders.read' });
      assert.equal(json.error, 'invalid_scope');
    });

    /** Of `hall`: orders whose customer is the user. */
    async function limitDefault(): Promise<void> {
      const resource = await directory().resources.findBy('identifier', RESOURCE);
      const hall = await directory().applications.findBy('clientId', 'hall');
      assert.ok(resource && hall);
      const columns = [{ name: 'customer', type: 'text' as const }];
      const tables = resource.tables.map((table) => (table.id === 'orders' ? { ...table, columns } : table));
      await changes().resources.replace({ ...resource, tables }, AUTHOR);
      const rows = [{ column: 'customer', values: [], variables: ['user.id'] }];
      const limits = [{ actions: 'r', rows }];
      const stored = { isAdmin: false, tables: [{ table: 'orders', actions: '', limits }] };
      await changes().applications.replace({ ...hall, default: stored }, AUTHOR);
    }

    test('an agent that names no tables gets what its template says, never all', async () => {
      const applications = directory().applications;
      const hall = await applications.findBy('clientId', 'hall');
      assert.ok(hall);
      const { id: registeredThrough, number: _, version: __, managedBy: ___, ...template } = hall;
      const organization = await directory().organizations.get(hall.organization);
      assert.ok(organization);
      const agents = { policy: 'off', application: registeredThrough } as const;
      await changes().organizations.replace({ ...organization, agents }, AUTHOR);
      const agentOf = async (clientId: string) => {
        const agent = { ...createNoun('applications', true).agent, kind: 'registered' };
        const fields = { ...template, id: randomUUID(), clientId, name: clientId, registeredThrough, agent };
        await changes().applications.create(fields as never, AUTHOR);
        const headers = { authorization: basic(clientId, server.secretOf('hall')) };
        return async (claims: object = {}, form: Record<string, string> = {}) => {
          const assertion = await issuer().assert({ client_id: clientId, ...claims });
          return server.post(
            '/oauth/token',
            undefined,
            { grant_type: JWT_BEARER, assertion, ...form },
            headers,
          );
        };
      };
      const ask = await agentOf('agent');
      assert.equal((await ask()).json.error, 'invalid_authorization_details');
      assert.deepEqual(tablesOf((await ask({ scope: 'orders:update' })).json), { orders: 'u' });
      assert.deepEqual(tablesOf((await ask({}, { scope: 'products:read' })).json), { products: 'r' });
      const stored = { isAdmin: false, tables: [{ table: 'orders', actions: 'rd' }] };
      const current = await applications.findBy('clientId', 'hall');
      assert.ok(current);
      await changes().applications.replace({ ...current, default: stored }, AUTHOR);
      assert.deepEqual(tablesOf((await ask()).json), { orders: 'r' });
      assert.deepEqual(tablesOf((await ask({}, { scope: 'orders.read' })).json), { orders: 'r' });
      await limitDefault();
      const { json } = await ask();
      const [, id] = String(decodeJwt(json.access_token).sub).split('/');
      assert.deepEqual(json.authorization_details[0].rows, { customer: [id] });
    });

    test('scopes of OpenID Connect are ignored', async () => {
      const { json } = await trade({ scope: 'openid email orders:read' }, { scope: 'openid orders:read' });
      assert.deepEqual(tablesOf(json), { orders: 'r' });
      assert.equal(json.id_token, undefined);
    });
  });

  describe('resources', () => {
    const wide = (acme: any) => {
      const desk = acme.applications.find(({ name }: any) => name === 'desk');
      desk.resources = { [OPAQUE_RESOURCE]: { isAdmin: false, tables: { orders: { read: true } } } };
    };
    let two: TestServer;
    before(async () => {
      two = await startServer({
        fixture(fixture) {
          trustIssuers(fixture);
          wide(fixture.organizations[0]);
        },
      });
    });
    after(() => two[Symbol.asyncDispose]());
    const ask = async (claims: Record<string, unknown>, form: Record<string, string> = {}) =>
      two.post('/oauth/token', 'desk', {
        grant_type: JWT_BEARER,
        assertion: await createIssuer(two).assert(claims),
        ...form,
      });
    const audience = async ({ json }: Answer) => (await two.introspect(json.access_token)).aud;

    test('the token is for the resource that the assertion names', async () => {
      assert.equal(await audience(await ask({ resource: OPAQUE_RESOURCE })), OPAQUE_RESOURCE);
      assert.equal(await audience(await ask({ resource: [OPAQUE_RESOURCE] })), OPAQUE_RESOURCE);
    });

    test('a request for a resource that the assertion does not name is refused', async () => {
      const { json } = await ask({ resource: OPAQUE_RESOURCE }, { resource: RESOURCE });
      assert.equal(json.error, 'invalid_target');
    });

    test('of several resources of the assertion the request names one', async () => {
      const resource = [RESOURCE, OPAQUE_RESOURCE];
      assert.equal((await ask({ resource })).json.error, 'invalid_target');
      assert.equal(await audience(await ask({ resource }, { resource: OPAQUE_RESOURCE })), OPAQUE_RESOURCE);
    });

    test('without a resource in the assertion the request may name one', async () => {
      assert.equal(await audience(await ask({}, { resource: OPAQUE_RESOURCE })), OPAQUE_RESOURCE);
      assert.equal(await audience(await ask({})), RESOURCE);
    });

    test('details of the assertion name the resource too', async () => {
      const details = [
        { type: 'table_access', locations: [OPAQUE_RESOURCE], identifier: 'orders', actions: ['read'] },
      ];
      assert.equal(await audience(await ask({ authorization_details: details })), OPAQUE_RESOURCE);
    });

    test('the resource of another organization is refused', async () => {
      assert.equal((await ask({ resource: OTHER_RESOURCE })).json.error, 'invalid_target');
    });
  });

  describe('ends', () => {
    const isActive = async (token: string): Promise<boolean> => (await server.introspect(token)).active;

    test('the token hangs below the user, the application, the issuer and the identity', async () => {
      const { anc } = decodeJwt(tokenOf(await trade())) as { anc: string[] };
      const user = await userOf('U1');
      assert.ok(anc.includes(user.id));
      assert.ok(anc.some((node) => node.startsWith('issuer:')));
      assert.ok(anc.some((node) => node.startsWith('identity:')));
    });

    test('disabling the user ends the token', async () => {
      const token = tokenOf(await trade({ sub: 'U2' }));
      const user = await userOf('U2');
      const disabled = await changes().users.replace({ ...user, enabled: false }, AUTHOR);
      assert.equal(await isActive(token), false);
      await changes().users.replace({ ...disabled, enabled: true }, AUTHOR);
      assert.equal((await trade({ sub: 'U2' })).status, 200);
    });

    test('TE-15 unlinking ends the tokens of the identity, and linking again revives none', async () => {
      const other = tokenOf(
        await present(
          await issuer().assert({ iss: SHARED_IDP, sub: 'S1' }, { kid: 'shared-1' }, keys.shared.privateKey),
        ),
      );
      const token = tokenOf(await trade());
      const user = await userOf('U1');
      const identities = (user.identities ?? []).filter(({ issuer: at }) => at !== IDP);
      const unlinked = await changes().users.replace({ ...user, identities }, AUTHOR);
      assert.equal(await isActive(token), false);
      assert.equal(await isActive(other), true);
      await assertRejected(await trade(), /no user .* linked/);
      await changes().users.replace({ ...unlinked, identities: user.identities ?? [] }, AUTHOR);
      assert.equal(await isActive(token), false);
      assert.equal(await isActive(tokenOf(await trade())), true);
    });

    test('an identity is of one user of a realm', async () => {
      const user = await userOf('U2');
      const identities = [{ issuer: IDP, subject: 'U1' }];
      await assert.rejects(changes().users.replace({ ...user, identities }, AUTHOR), /identity/);
    });

    test('TE-15 removing the issuer ends what it vouched for, and trust again revives none', async () => {
      const token = tokenOf(await trade());
      const acme = await organization();
      const identityIssuers = (acme.identityIssuers ?? []).filter(({ issuer: at }) => at !== IDP);
      const without = await changes().organizations.replace({ ...acme, identityIssuers }, AUTHOR);
      assert.equal(await isActive(token), false);
      await assertRejected(await trade(), /does not trust/);
      await changes().organizations.replace(
        { ...without, identityIssuers: acme.identityIssuers ?? [] },
        AUTHOR,
      );
      assert.equal(await isActive(token), false);
      assert.equal(await isActive(tokenOf(await trade())), true);
    });

    test('a further key of the issuer ends nothing, and taking a key away does', async () => {
      const token = tokenOf(await trade());
      const replaceKeys = async (...jwks: Record<string, unknown>[]) => {
        const acme = await organization();
        const identityIssuers = (acme.identityIssuers ?? []).map((each) =>
          each.issuer === IDP ? { issuer: IDP, jwks: { keys: jwks } } : each,
        );
        await changes().organizations.replace({ ...acme, identityIssuers }, AUTHOR);
      };
      const further = createKey('acme-2');
      await replaceKeys(keys.acme.jwk, further.jwk);
      assert.equal(await isActive(token), true);
      const assertion = await issuer().assert({}, { kid: 'acme-2' }, further.privateKey);
      const later = tokenOf(await present(assertion));
      await replaceKeys(keys.acme.jwk);
      assert.equal(await isActive(token), false);
      assert.equal(await isActive(later), false);
      assert.equal((await trade()).status, 200);
    });

    test('the feed tells verifiers offline of the end of an identity', async () => {
      const { anc } = decodeJwt(tokenOf(await trade())) as { anc: string[] };
      const user = await userOf('U1');
      const unlinked = await changes().users.replace({ ...user, identities: [] }, AUTHOR);
      const feed = await fetch(`${server.issuer}/oauth/revocations`, {
        headers: {
          authorization: basic('shop-api', server.secretOf('shop-api')),
        },
      });
      const text = await feed.text();
      assert.equal(feed.status, 200, text);
      const { nodes } = decodeJwt(text) as { nodes: { id: string }[] };
      assert.ok(nodes.some(({ id }) => id.startsWith('identity:') && anc.includes(id)));
      await changes().users.replace({ ...unlinked, identities: user.identities ?? [] }, AUTHOR);
    });
  });
});

test('keys in a private network are not fetched, and the client is told to wait', async () => {
  await using server = await startServer({
    fixture(fixture) {
      trustIssuers(fixture);
      fixture.organizations[0].identityIssuers[0] = { issuer: IDP, jwksUri: 'https://127.0.0.1:9/keys' };
    },
  });
  const assertion = await createIssuer(server).assert();
  const answer = await server.post('/oauth/token', 'desk', { grant_type: JWT_BEARER, assertion });
  assert.equal(answer.status, 503);
  assert.equal(answer.json.error, 'temporarily_unavailable');
  assert.equal(answer.headers.get('retry-after'), '60');
});

describe('metadata of identity assertions', () => {
  const supported = async ({ issuer }: TestServer) =>
    (await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()) as Record<string, any>;
  const withoutIssuers = (fixture: any) => {
    trustIssuers(fixture);
    for (const each of fixture.organizations) delete each.identityIssuers;
  };

  test('the grant and its profile are listed while an organization trusts an issuer', async () => {
    await using server = await startServer({ fixture: trustIssuers });
    const metadata = await supported(server);
    assert.ok(metadata.grant_types_supported.includes(JWT_BEARER));
    assert.deepEqual(metadata.authorization_grant_profiles_supported, [
      'urn:ietf:params:oauth:grant-profile:id-jag',
    ]);
  });

  test('they are not listed while no organization trusts an issuer', async () => {
    await using server = await startServer({ fixture: withoutIssuers });
    const metadata = await supported(server);
    assert.ok(!metadata.grant_types_supported.includes(JWT_BEARER));
    assert.equal(metadata.authorization_grant_profiles_supported, undefined);
  });

  test('they are not listed while no application may use the grant', async () => {
    await using server = await startServer({
      fixture(fixture) {
        trustIssuers(fixture);
        for (const each of fixture.organizations[0].applications)
          each.grants = each.grants.filter((grant: string) => grant !== 'identity_assertion');
      },
    });
    const metadata = await supported(server);
    assert.ok(!metadata.grant_types_supported.includes(JWT_BEARER));
    assert.equal(metadata.authorization_grant_profiles_supported, undefined);
  });
});

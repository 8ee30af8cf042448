import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { codeOf, createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { basic, type TestServer } from '../support/server.ts';
import {
  CALLBACK,
  NATIVE,
  register,
  registered,
  send,
  setAgents,
  startRegistration,
  storedOf,
} from './registration-world.ts';

/** What an answer may have (RFC 7591 section 3.2.1, RFC 7592 section 3). */
const MEMBERS = [
  'client_id',
  'client_id_issued_at',
  'client_secret',
  'client_secret_expires_at',
  'registration_access_token',
  'registration_client_uri',
  'client_name',
  'redirect_uris',
  'token_endpoint_auth_method',
  'grant_types',
  'response_types',
  'application_type',
  'scope',
  'client_uri',
  'jwks',
];

describe('registration of agents', () => {
  let server: TestServer;
  before(async () => {
    server = await startRegistration();
  });
  after(() => server[Symbol.asyncDispose]());

  async function refuses(metadata: unknown, error: string, problem: RegExp): Promise<void> {
    const { status, json } = await register(server, metadata);
    assert.deepEqual([status, json.error], [400, error], JSON.stringify(metadata));
    assert.match(json.error_description, problem);
  }

  test('a native client registers and is told what was registered', async () => {
    const { status, json, headers } = await register(server, {
      ...NATIVE,
      client_uri: 'https://agent.example/',
    });
    assert.equal(status, 201);
    assert.equal(headers.get('cache-control'), 'no-store');
    const { client_id: id, client_id_issued_at: at, registration_access_token: token, ...rest } = json;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.match(token, /^gra_[\w-]{43}$/);
    assert.equal(Number.isInteger(at), true);
    assert.deepEqual(rest, {
      registration_client_uri: `${server.issuer}/oauth/register/${id}`,
      client_name: 'An Agent',
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      application_type: 'native',
      scope: 'openid profile offline_access orders.read',
      client_uri: 'https://agent.example/',
    });
  });

  test('it becomes an application within the one for agents', async () => {
    const { id } = await registered(server);
    const stored = (await storedOf(server, id))!;
    const template = (await storedOf(server, 'agents-of-api.acme.example'))!;
    assert.equal(stored.agent?.kind, 'registered');
    assert.equal(stored.managedBy, 'agent');
    assert.equal(stored.registeredThrough, template.id);
    assert.deepEqual([stored.ceilings, stored.realm], [template.ceilings, template.realm]);
    assert.equal(stored.name, `An Agent (${stored.id})`);
    assert.equal(stored.agentUnusedSince !== undefined, true);
    assert.deepEqual(stored.allowedOrigins, ['http://127.0.0.1:33418']);
  });

  test('a person logs in to it and it gets tokens', async () => {
    const { id } = await registered(server);
    const flow = createFlow(server);
    const { url, pkce } = flow.request({
      client_id: id,
      redirect_uri: CALLBACK,
      scope: 'orders.read orders:read',
      resource: 'https://api.acme.example/',
    });
    const answer = await flow.authorize(createBrowser(server.issuer), url);
    const form = {
      code: codeOf(answer),
      code_verifier: pkce.verifier,
      redirect_uri: CALLBACK,
      client_id: id,
    };
    const token = await server.post('/oauth/token', undefined, { grant_type: 'authorization_code', ...form });
    assert.equal(token.status, 200, token.text);
    assert.deepEqual(Object.keys(token.json.permissions.tables), ['orders']);
  });

  test('a client that names no method gets a secret, shown once', async () => {
    const { token_endpoint_auth_method: _, ...metadata } = NATIVE;
    const { status, json } = await register(server, metadata);
    assert.equal(status, 201);
    assert.equal(json.token_endpoint_auth_method, 'client_secret_basic');
    assert.match(json.client_secret, /^gcs_/);
    assert.equal(json.client_secret_expires_at, 0);
    const again = await send(json.registration_client_uri, { token: json.registration_access_token });
    assert.equal(again.status, 200);
    assert.equal('client_secret' in again.json || 'client_secret_expires_at' in again.json, false);
    const form = { grant_type: 'authorization_code', code: 'none', code_verifier: 'v'.repeat(43) };
    const authorization = basic(json.client_id, json.client_secret);
    const used = await server.post(
      '/oauth/token',
      undefined,
      { ...form, redirect_uri: CALLBACK },
      { authorization },
    );
    assert.equal(used.json.error, 'invalid_grant');
  });

  test('no answer has a hash of a secret or a member of the inside', async () => {
    const agent = await registered(server, { token_endpoint_auth_method: 'client_secret_post' });
    const stored = (await storedOf(server, agent.id))!;
    const read = await agent.manage();
    const put = await agent.manage({ method: 'PUT', body: { ...NATIVE, client_id: agent.id } });
    for (const json of [agent.json, read.json, put.json]) {
      assert.deepEqual(
        Object.keys(json).filter((name) => !MEMBERS.includes(name)),
        [],
      );
      for (const secret of [stored.registrationToken!, stored.secrets[0]!.hash, stored.id])
        assert.equal(JSON.stringify(json).includes(secret), false);
    }
  });

  test('a key set is registered and its private members are refused', async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['sign', 'verify'],
    );
    const jwk = await crypto.subtle.exportKey('jwk', publicKey);
    const keyed = { ...NATIVE, token_endpoint_auth_method: 'private_key_jwt' };
    const { json, status } = await register(server, { ...keyed, jwks: { keys: [jwk] } });
    assert.equal(status, 201, JSON.stringify(json));
    assert.equal(json.jwks.keys[0].x, jwk.x);
    const secret = await crypto.subtle.exportKey('jwk', privateKey);
    await refuses({ ...keyed, jwks: { keys: [secret] } }, 'invalid_client_metadata', /public keys only/);
    await refuses(
      { ...keyed, jwks_uri: 'https://agent.example/keys' },
      'invalid_client_metadata',
      /Send the keys in jwks/,
    );
    await refuses(keyed, 'invalid_client_metadata', /needs jwks/);
  });

  test('grants beyond those for agents are left out', async () => {
    const { json } = await register(server, {
      ...NATIVE,
      grant_types: ['authorization_code', 'client_credentials', 'password', 'urn:unknown'],
    });
    assert.deepEqual(json.grant_types, ['authorization_code']);
    assert.deepEqual((await storedOf(server, json.client_id))!.grants, ['authorization_code']);
  });

  test('a client registers all scopes for agents, as it asks for more later', async () => {
    const { json } = await register(server, { ...NATIVE, scope: 'orders.read orders.write grantable:admin' });
    assert.equal(json.scope, 'openid profile offline_access orders.read');
  });

  test('members that RFC 7591 does not name are ignored', async () => {
    const wanted = { owner: 'x', firstParty: true, ceilings: [], client_id: 'mine', registrationToken: 'x' };
    const { json } = await register(server, { ...NATIVE, ...wanted, 'client_name#fr': 'Un agent' });
    const stored = (await storedOf(server, json.client_id))!;
    assert.notEqual(json.client_id, 'mine');
    assert.deepEqual([stored.owner, stored.firstParty], [undefined, undefined]);
  });

  test('AZ-02 a redirect URI that could run a script is refused', async () => {
    for (const uri of [
      ...[
        'javascript:alert(1)',
        'JaVaScRiPt:alert(1)',
        'data:text/html,x',
        'vbscript:x',
        'file:///etc/passwd',
      ],
      ...['https://*.agent.example/', 'http://agent.example/', 'https://agent.example/#x', 'about:blank'],
    ])
      await refuses(
        { ...NATIVE, redirect_uris: [CALLBACK, uri] },
        'invalid_redirect_uri',
        /redirect_uris has/,
      );
    await refuses({ ...NATIVE, redirect_uris: [] }, 'invalid_redirect_uri', /must have 1 to 20/);
    const { redirect_uris: _, ...none } = NATIVE;
    await refuses(none, 'invalid_redirect_uri', /must have 1 to 20/);
  });

  test('AZ-02 a web client has https only, a native one may have it', async () => {
    const web = { ...NATIVE, application_type: 'web' };
    for (const uri of [CALLBACK, 'http://localhost/callback', 'com.example.agent:/callback'])
      await refuses(
        { ...web, redirect_uris: [uri] },
        'invalid_redirect_uri',
        /needs the application_type native/,
      );
    const https = { redirect_uris: ['https://agent.example/callback'] };
    assert.equal((await register(server, { ...web, ...https })).json.application_type, 'web');
    assert.equal((await register(server, { ...NATIVE, ...https })).json.application_type, 'native');
    await refuses({ ...NATIVE, application_type: 'tv' }, 'invalid_client_metadata', /web or native/);
  });

  test('AZ-02 URIs that people or programs may follow are https', async () => {
    const names = ['logo_uri', 'policy_uri', 'tos_uri', 'client_uri', 'initiate_login_uri'];
    for (const name of names) {
      for (const uri of ['javascript:alert(1)', 'data:,x', 'http://10.0.0.1/', 'file:///etc/passwd', 'x'])
        await refuses({ ...NATIVE, [name]: uri }, 'invalid_client_metadata', /must be an https URL/);
    }
    const post_logout_redirect_uris = ['javascript:alert(1)'];
    await refuses({ ...NATIVE, post_logout_redirect_uris }, 'invalid_redirect_uri', /post_logout/);
  });

  test('a software statement is refused', async () => {
    const statement = { ...NATIVE, software_statement: 'eyJhbGciOiJub25lIn0.e30.' };
    await refuses(statement, 'unapproved_software_statement', /Leave out software_statement/);
  });

  test('metadata of the wrong type are refused', async () => {
    const wrong: Record<string, unknown>[] = [
      { client_name: 7 },
      { client_name: 'two\nlines' },
      { client_name: undefined },
      { scope: ['openid'] },
      { grant_types: 'authorization_code' },
      { grant_types: ['client_credentials'] },
      { response_types: ['token'] },
      { token_endpoint_auth_method: 'client_secret_jwt' },
    ];
    for (const each of wrong) {
      await refuses({ ...NATIVE, ...each }, 'invalid_client_metadata', /\w/);
    }
  });

  test('only JSON of at most 16 KB is read', async () => {
    const type = await register(server, NATIVE, { headers: { 'content-type': 'text/plain' } });
    assert.deepEqual([type.status, type.json.error], [400, 'invalid_request']);
    assert.match(type.json.error_description, /application\/json/);
    const large = await register(server, { ...NATIVE, padding: 'x'.repeat(16 * 1024) });
    assert.equal(large.status, 413);
    for (const body of ['{', '[]', '"text"', 'null', '{"__proto__": {}}', '['.repeat(5000)])
      assert.equal((await register(server, body)).status, 400, body.slice(0, 20));
  });

  test('the endpoint answers its own methods only', async () => {
    const wrong = await send(`${server.issuer}/oauth/register`, {});
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST, OPTIONS']);
    const agent = await registered(server);
    const patch = await agent.manage({ method: 'PATCH', body: {} });
    assert.deepEqual([patch.status, patch.headers.get('allow')], [405, 'GET, PUT, DELETE, OPTIONS']);
  });

  test('an agent reads, replaces and removes its registration', async () => {
    const agent = await registered(server);
    const read = await agent.manage();
    assert.deepEqual([read.status, read.json], [200, agent.json]);
    const wanted = {
      ...NATIVE,
      client_id: agent.id,
      client_name: 'Renamed',
      grant_types: ['authorization_code'],
    };
    const put = await agent.manage({ method: 'PUT', body: { ...wanted, scope: 'openid' } });
    assert.equal(put.status, 200, put.text);
    assert.equal(put.json.client_name, 'Renamed');
    assert.deepEqual(put.json.grant_types, ['authorization_code']);
    const gone = await agent.manage({ method: 'DELETE' });
    assert.deepEqual([gone.status, gone.text], [204, '']);
    assert.equal((await agent.manage()).status, 401);
    assert.equal(await storedOf(server, agent.id), undefined);
  });

  test('a change of what it says makes it another agent and ends its tokens', async () => {
    const agent = await registered(server);
    const flow = createFlow(server);
    const { url, pkce } = flow.request({
      client_id: agent.id,
      redirect_uri: CALLBACK,
      scope: 'orders:read',
      resource: 'https://api.acme.example/',
    });
    const answer = await flow.authorize(createBrowser(server.issuer), url);
    const form = { code: codeOf(answer), code_verifier: pkce.verifier, redirect_uri: CALLBACK };
    const own = { grant_type: 'authorization_code', client_id: agent.id };
    const { json } = await server.post('/oauth/token', undefined, { ...form, ...own });
    const before = (await storedOf(server, agent.id))!;
    const same = await agent.manage({ method: 'PUT', body: { ...NATIVE, client_id: agent.id } });
    assert.equal(same.status, 200, same.text);
    assert.equal((await storedOf(server, agent.id))!.agent?.document, before.agent?.document);
    assert.equal((await server.introspect(json.access_token)).active, true);
    const body = { ...NATIVE, client_id: agent.id, redirect_uris: ['http://127.0.0.1:9/other'] };
    assert.equal((await agent.manage({ method: 'PUT', body })).status, 200);
    assert.notEqual((await storedOf(server, agent.id))!.agent?.document, before.agent?.document);
    assert.equal((await server.introspect(json.access_token)).active, false);
  });

  test('a replacement must name its client and cannot raise its rights', async () => {
    const agent = await registered(server);
    const before = (await storedOf(server, agent.id))!;
    const put = (body: object) => agent.manage({ method: 'PUT', body });
    const unnamed = await put(NATIVE);
    assert.deepEqual([unnamed.status, unnamed.json.error], [400, 'invalid_client_metadata']);
    const other = await registered(server);
    assert.equal((await put({ ...NATIVE, client_id: other.id })).status, 400);
    const more = { scope: 'openid orders.write', grant_types: ['authorization_code', 'client_credentials'] };
    const raised = await put({ ...NATIVE, client_id: agent.id, ...more, ceilings: [], firstParty: true });
    assert.deepEqual(
      [raised.json.scope, raised.json.grant_types],
      [agent.json.scope, ['authorization_code']],
    );
    const stored = (await storedOf(server, agent.id))!;
    assert.deepEqual([stored.ceilings, stored.realm], [before.ceilings, before.realm]);
  });

  test('a replacement gives a secret only where there was none', async () => {
    const agent = await registered(server);
    const body = { ...NATIVE, client_id: agent.id, token_endpoint_auth_method: 'client_secret_basic' };
    const first = await agent.manage({ method: 'PUT', body });
    assert.match(first.json.client_secret, /^gcs_/);
    const { client_secret } = first.json;
    const again = await agent.manage({ method: 'PUT', body: { ...body, client_secret } });
    assert.deepEqual([again.status, 'client_secret' in again.json], [200, false]);
    const wrong = await agent.manage({ method: 'PUT', body: { ...body, client_secret: 'guess' } });
    assert.deepEqual([wrong.status, wrong.json.error], [400, 'invalid_client_metadata']);
    const open = await agent.manage({ method: 'PUT', body: { ...NATIVE, client_id: agent.id } });
    assert.equal(open.status, 200);
    assert.deepEqual((await storedOf(server, agent.id))!.secrets, []);
  });

  test('an unknown client and a wrong token get the same answer', async () => {
    const [agent, other] = [await registered(server), await registered(server)];
    const unknown = `${server.issuer}/oauth/register/${crypto.randomUUID()}`;
    const answers = await Promise.all([
      send(agent.url, { token: other.token }),
      send(unknown, { token: agent.token }),
      send(`${server.issuer}/oauth/register/web`, { token: agent.token }),
      send(`${server.issuer}/oauth/register/`, { token: agent.token }),
      send(`${server.issuer}/oauth/register/..%2f${agent.id}`, { token: agent.token }),
      send(agent.url, { token: other.token, method: 'DELETE' }),
      send(agent.url, { token: other.token, method: 'PUT', body: NATIVE }),
    ]);
    for (const { status, text, headers } of answers) {
      assert.deepEqual([status, text], [401, answers[0]?.text]);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer realm=.*error="invalid_token"/);
    }
    const bare = await send(agent.url);
    assert.equal(bare.status, 401);
    assert.match(bare.headers.get('www-authenticate') ?? '', /^Bearer realm="[^"]*"$/);
  });

  test('MT-02 applications of operators are not managed by a token', async () => {
    const shop = (await storedOf(server, 'shop'))!;
    for (const id of ['shop', shop.id, 'agents-of-api.acme.example']) {
      const { status } = await send(`${server.issuer}/oauth/register/${id}`, {
        token: 'gra_x',
        method: 'DELETE',
      });
      assert.equal(status, 401);
    }
    assert.notEqual(await storedOf(server, 'shop'), undefined);
  });

  test('MT-04 the id of a removed agent does not come again', async () => {
    const agent = await registered(server);
    const { id } = (await storedOf(server, agent.id))!;
    await agent.manage({ method: 'DELETE' });
    const next = await registered(server, { client_id: agent.id });
    assert.notEqual(next.id, agent.id);
    assert.notEqual((await storedOf(server, next.id))!.id, id);
    assert.equal((await send(next.url, { token: agent.token })).status, 401);
  });

  test('an agent of a disabled application for agents is unknown', async () => {
    const own = await startRegistration();
    await using _ = own;
    const agent = await registered(own);
    const { changes } = own.server.foundations;
    const template = (await storedOf(own, 'agents-of-api.acme.example'))!;
    await changes.applications.replace({ ...template, enabled: false }, { actor: 'test' });
    assert.equal((await agent.manage()).status, 401);
    assert.equal((await register(own, NATIVE)).status, 404);
  });

  test('pages of every origin may register and read the answer', async () => {
    const url = `${server.issuer}/oauth/register`;
    const headers = { origin: 'https://inspector.example', 'access-control-request-method': 'POST' };
    const agent = await registered(server);
    for (const [each, methods] of [
      [url, 'POST'],
      [agent.url, 'GET, PUT, DELETE'],
    ] as const) {
      const preflight = await send(each, { method: 'OPTIONS', headers });
      assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, '*']);
      assert.equal(preflight.headers.get('access-control-allow-methods'), methods);
      assert.match(
        preflight.headers.get('access-control-allow-headers') ?? '',
        /Authorization, Content-Type/,
      );
    }
    const made = await register(server, NATIVE, { headers: { origin: 'https://inspector.example' } });
    assert.deepEqual([made.status, made.headers.get('access-control-allow-origin')], [201, '*']);
    const refused = await register(server, {}, { headers: { origin: 'https://inspector.example' } });
    assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [400, '*']);
    assert.equal(refused.headers.get('access-control-allow-credentials'), null);
  });

  test('the page that registered may call the token endpoint', async () => {
    const redirect_uris = ['https://page-of-agent.example/callback'];
    const before = await send(`${server.issuer}/oauth/token`, {
      method: 'OPTIONS',
      headers: { origin: 'https://page-of-agent.example' },
    });
    assert.equal(before.headers.get('access-control-allow-origin'), null);
    await registered(server, { redirect_uris });
    const preflight = await send(`${server.issuer}/oauth/token`, {
      method: 'OPTIONS',
      headers: { origin: 'https://page-of-agent.example' },
    });
    assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://page-of-agent.example');
  });

  test('the endpoint is in the metadata while agents may register', async () => {
    const metadata = async () => (await send(`${server.issuer}/.well-known/oauth-authorization-server`)).json;
    assert.equal((await metadata()).registration_endpoint, `${server.issuer}/oauth/register`);
    await setAgents(server, 'acme', { registration: 'off' });
    assert.equal('registration_endpoint' in (await metadata()), false);
    await setAgents(server, 'other', { registration: 'token' });
    assert.equal((await metadata()).registration_endpoint, `${server.issuer}/oauth/register`);
    await setAgents(server, 'other', { registration: 'off' });
    await setAgents(server, 'acme', { registration: 'open' });
  });
});

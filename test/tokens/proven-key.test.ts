/** A token that is bound to a key (RFC 7800 `cnf`): said where it is looked at, and passed on with a proof only. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { ProofRejected } from '../../src/errors/domain.ts';
import type { ProvenKey } from '../../src/storage/rows.ts';
import type { Through } from '../../src/tokens/through.ts';
import { exampleFace } from '../faces/example-face.ts';
import { createFlow } from '../interaction/flow.ts';
import { OPAQUE_RESOURCE, PASSWORD, REDIRECT_URI, startServer, type TestServer } from '../support/server.ts';

const KEY: ProvenKey = { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' };
const OTHER: ProvenKey = { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' };
const CERTIFICATE: ProvenKey = { 'x5t#S256': 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0' };
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const SUBJECT_TYPE = 'urn:ietf:params:oauth:token-type:access_token';

describe('a token bound to a key', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      faces: [exampleFace],
      fixture: ({ organizations: [acme] }: any) => {
        const shop = acme.applications.find(({ name }: any) => name === 'shop');
        const { clientSecret: _, ...rest } = shop;
        shop.grants.push('token_exchange');
        acme.users.push({ ...acme.users[0], application: 'open' });
        const grants = ['password', 'refresh_token'];
        acme.applications.push({ ...rest, name: 'open', clientId: 'open', authMethod: 'none', grants });
        acme.faces = { apiMaker: { application: 'shop', authTokenInfo: [{ authTokenType: 'AM' }] } };
      },
    });
    const { storage, changes } = server.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    assert.ok(acme && shop);
    const turnstile = { enabled: true, registration: false, application: shop.id };
    await changes.organizations.replace({ ...acme, faces: { ...acme.faces, turnstile } }, { actor: 'test' });
  });
  after(() => server[Symbol.asyncDispose]());

  async function issue(
    name: string,
    grantType: string,
    parameters: Record<string, string>,
    sender?: ProvenKey,
    through?: Through,
  ): Promise<Record<string, any>> {
    const { foundations, tokens } = server.server;
    const asOf = foundations.now();
    const view = await foundations.directory.view();
    const active = await view.findApplication(name);
    assert.ok(active);
    const client = { ...active, method: active.application.authMethod };
    const request = { view, asOf, client, grantType, parameters, address: '127.0.0.1', sender, through };
    return (await tokens.issue(request)).answer;
  }

  const logIn = (client: string, sender?: ProvenKey) =>
    issue(client, 'password', { username: 'ann', password: PASSWORD }, sender);

  test('says so in its claims, in the answer and at introspection', async () => {
    const jwt = await issue('machine', 'client_credentials', {}, KEY);
    assert.deepEqual([decodeJwt(jwt.access_token).cnf, jwt.token_type], [KEY, 'DPoP']);
    const opaque = await issue('machine', 'client_credentials', { resource: OPAQUE_RESOURCE }, CERTIFICATE);
    assert.equal(opaque.token_type, 'Bearer');
    for (const [{ access_token, token_type }, key] of [
      [jwt, KEY],
      [opaque, CERTIFICATE],
    ] as const) {
      const said = await server.introspect(access_token, 'machine');
      assert.deepEqual([said.active, said.cnf, said.token_type], [true, key, token_type]);
    }
    const plain = await issue('machine', 'client_credentials', {});
    assert.deepEqual([decodeJwt(plain.access_token).cnf, plain.token_type], [undefined, 'Bearer']);
  });

  test('is exchanged with a proof of the same key only, and stays bound to it', async () => {
    const { access_token } = await logIn('shop', KEY);
    const parameters = { subject_token: access_token, subject_token_type: SUBJECT_TYPE };
    for (const sender of [undefined, OTHER, CERTIFICATE]) {
      await assert.rejects(issue('shop', EXCHANGE, parameters, sender), ProofRejected);
    }
    const traded = await issue('shop', EXCHANGE, parameters, KEY);
    assert.deepEqual(decodeJwt(traded.access_token).cnf, KEY);
  });

  test('a refresh token is bound for a public client, not for one that authenticates', async () => {
    const open = await logIn('open', KEY);
    const refresh = ({ refresh_token }: Record<string, any>) => ({ refresh_token });
    await assert.rejects(issue('open', 'refresh_token', refresh(open)), ProofRejected);
    await assert.rejects(issue('open', 'refresh_token', refresh(open), OTHER), ProofRejected);
    const next = await issue('open', 'refresh_token', refresh(open), KEY);
    assert.deepEqual(decodeJwt(next.access_token).cnf, KEY);

    const shop = await logIn('shop', KEY);
    const changed = await issue('shop', 'refresh_token', refresh(shop), OTHER);
    assert.deepEqual(decodeJwt(changed.access_token).cnf, OTHER);
  });

  async function statusOf(path: string, headers: Record<string, string>, body?: object): Promise<number> {
    const post = body && { method: 'POST', body: JSON.stringify(body) };
    const init = { ...post, headers: { 'content-type': 'application/json', ...headers } };
    return (await fetch(server.issuer + path, init)).status;
  }

  const bearer = ({ access_token }: Record<string, any>) => ({ authorization: `Bearer ${access_token}` });

  test('is refused at userinfo, where proofs are not read', async () => {
    for (const [key, status] of [
      [undefined, 200],
      [KEY, 401],
    ] as const) {
      const flow = createFlow(server);
      const { code, pkce } = await flow.login();
      const form = { code, redirect_uri: REDIRECT_URI, code_verifier: pkce.verifier };
      const token = await issue('web', 'authorization_code', form, key);
      assert.equal(await statusOf('/oauth/userinfo', bearer(token)), status);
    }
  });

  test('is refused by faces, which read no proofs', async () => {
    const login = { username: 'ann', password: PASSWORD };
    const wanted = { authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } };
    for (const [key, ticket, guard] of [
      [undefined, 200, 200],
      [KEY, 401, 401],
    ] as const) {
      const tokenOf = (face: string) =>
        issue('shop', 'password', login, key, { face, registration: false, nodes: [] } satisfies Through);
      assert.equal(await statusOf('/turnstile/ticket', bearer(await tokenOf('turnstile'))), ticket);
      const headers = { 'x-am-authorization': (await tokenOf('apiMaker')).access_token };
      assert.equal(await statusOf('/api/system-api/acme/token', headers, wanted), guard);
    }
  });
});

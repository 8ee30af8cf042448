import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { AccessError } from '../../src/resource-server/errors.ts';
import { createVerifier, type Verifier } from '../../src/resource-server/verifier.ts';
import { createFlow, errorOf } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { basic, OPAQUE_RESOURCE, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const BARE = RESOURCE.slice(0, -1);
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** A base64url text of the same bytes whose unused bits are not zero, if it has any. */
function withUnusedBits(part: string): string | undefined {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = digits[digits.indexOf(part.at(-1) ?? '') + 1];
  const other = part.slice(0, -1) + last;
  const isSame = Buffer.from(other, 'base64url').equals(Buffer.from(part, 'base64url'));
  return last !== undefined && isSame ? other : undefined;
}

/** Other texts that a lenient decoder reads as the same token. */
function otherSpellings(jwt: string): [what: string, value: string][] {
  const parts = jwt.split('.');
  return parts.flatMap((part, index) => {
    const put = (other: string) => parts.map((each, at) => (at === index ? other : each)).join('.');
    const middle = Math.floor(part.length / 2);
    const bits = withUnusedBits(part);
    return [
      ...[' ', '\n', '\r\n', '\t', '!', '.'].flatMap((sign): [string, string][] => [
        [
          `${JSON.stringify(sign)} inside part ${index}`,
          put(part.slice(0, middle) + sign + part.slice(middle)),
        ],
        [`${JSON.stringify(sign)} at the end of part ${index}`, put(part + sign)],
      ]),
      [`padding of part ${index}`, put(`${part}${'='.repeat((4 - (part.length % 4)) % 4) || '='}`)] as [
        string,
        string,
      ],
      ...(bits === undefined ? [] : [[`unused bits of part ${index}`, put(bits)] as [string, string]]),
    ];
  });
}

/** The claims, as soon as the verifier knows the keys and the revocations. */
const verified = (verifier: Verifier, token: string) =>
  until('the verifier knows enough', () =>
    verifier.verify(token).catch((error: unknown) => {
      if (error instanceof AccessError && error.code === 'unavailable') return undefined;
      throw error;
    }),
  );

describe('spellings of tokens and resources', () => {
  let server: TestServer;
  let jwt: string;
  before(async () => {
    server = await startServer({
      fixture: ({ organizations: [acme] }) => {
        const machine = acme.applications.find(({ name }: any) => name === 'machine');
        machine.grants.push('token_exchange');
        // What refers to the resource spells it in the other way.
        machine.resource = BARE;
        acme.roles[0].resource = BARE;
        const api = acme.applications.find(({ name }: any) => name === 'shop-api');
        api.introspects = [BARE, OPAQUE_RESOURCE];
      },
    });
    jwt = (await server.token('machine')).json.access_token;
  });
  after(() => server[Symbol.asyncDispose]());

  test('JW-10 a JWT with blanks, line breaks, padding or unused bits is inactive', async () => {
    assert.equal((await server.introspect(jwt)).active, true);
    for (const [what, value] of otherSpellings(jwt)) {
      assert.deepEqual(await server.introspect(value), { active: false }, what);
    }
  });

  test('such a JWT is not traded, not revoked and not taken by a resource server', async () => {
    const verifier = createVerifier({
      issuer: server.issuer,
      resource: RESOURCE,
      clientId: 'shop-api',
      clientSecret: server.secretOf('shop-api'),
    });
    assert.equal((await verified(verifier, jwt)).clientId, 'machine');
    for (const [what, value] of otherSpellings(jwt)) {
      const { status } = await server.post('/oauth/token', 'machine', {
        grant_type: EXCHANGE,
        subject_token: value,
        subject_token_type: ACCESS_TOKEN,
      });
      assert.equal(status, 400, what);
      assert.equal((await server.post('/oauth/revoke', 'machine', { token: value })).status, 200);
      await assert.rejects(verifier.verify(value), { code: 'invalid_token' }, what);
    }
    verifier.close();
    assert.equal((await server.introspect(jwt)).active, true);
  });

  async function ask(resources: readonly string[], form: Record<string, string> = {}) {
    const body = new URLSearchParams({ grant_type: 'client_credentials', ...form });
    for (const resource of resources) body.append('resource', resource);
    const response = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: basic('machine', server.secretOf('machine')) },
      body,
    });
    return { status: response.status, json: (await response.json()) as Record<string, any> };
  }

  test('the token endpoint takes one resource in each spelling, also repeated', async () => {
    for (const resources of [[], [BARE], [RESOURCE], [RESOURCE, RESOURCE], [BARE, RESOURCE, BARE]]) {
      const { status, json } = await ask(resources);
      assert.equal(status, 200, JSON.stringify(json));
      assert.equal(decodeJwt(json.access_token).aud, RESOURCE, resources.join());
    }
  });

  test('the token endpoint refuses two different resources with invalid_target', async () => {
    for (const other of [OPAQUE_RESOURCE, 'https://unknown.example/', 'no uri']) {
      const { status, json } = await ask([RESOURCE, other]);
      assert.deepEqual([status, json.error], [400, 'invalid_target'], other);
    }
  });

  test('details and audiences name a resource in each spelling', async () => {
    const details = JSON.stringify([
      { type: 'table_access', locations: [BARE], identifier: 'orders', actions: ['read'] },
    ]);
    for (const resources of [[], [BARE], [RESOURCE]]) {
      const { status, json } = await ask(resources, { authorization_details: details });
      assert.equal(status, 200, JSON.stringify(json));
      assert.deepEqual(json.authorization_details[0].locations, [RESOURCE]);
    }
    const exchanged = await ask([BARE], {
      grant_type: EXCHANGE,
      subject_token: jwt,
      subject_token_type: ACCESS_TOKEN,
      audience: BARE,
      authorization_details: details,
    });
    assert.equal(exchanged.status, 200, JSON.stringify(exchanged.json));
  });

  test('the authorization endpoint takes one resource in each spelling, also repeated', async () => {
    const flow = createFlow(server);
    for (const resources of [[BARE], [RESOURCE, RESOURCE], [BARE, RESOURCE]]) {
      const { url, pkce } = flow.request({ scope: 'openid orders.read' });
      const asked = new URL(url);
      for (const resource of resources) asked.searchParams.append('resource', resource);
      const answer = await flow.authorize(createBrowser(server.issuer), asked.href);
      const code = answer.searchParams.get('code');
      assert.ok(code, answer.href);
      const { json, text } = await flow.redeem(code, pkce.verifier, 'web', { resource: BARE });
      assert.ok(json.access_token, text);
      assert.equal(decodeJwt(json.access_token).aud, RESOURCE);
    }
  });

  test('the authorization endpoint refuses two different resources with invalid_target', async () => {
    const { url } = createFlow(server).request({ scope: 'openid orders.read' });
    for (const other of [OPAQUE_RESOURCE, 'https://unknown.example/']) {
      const asked = new URL(url);
      for (const resource of [RESOURCE, other]) asked.searchParams.append('resource', resource);
      const page = await createBrowser(server.issuer).get(asked.href);
      assert.equal(errorOf(page), 'invalid_target', page.url);
    }
  });

  test('a resource server that spells its identifier in the other way takes the token', async () => {
    for (const mode of ['local', 'introspection'] as const) {
      const verifier = createVerifier({
        issuer: server.issuer,
        resource: BARE,
        clientId: 'shop-api',
        clientSecret: server.secretOf('shop-api'),
        mode,
      });
      await verified(verifier, jwt);
      verifier.close();
    }
  });
});

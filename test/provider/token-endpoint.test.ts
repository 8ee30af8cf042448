/** Our token endpoint answers as the engine's own would, to unusual requests too. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { engineTokenEndpoint, OWN_TEXTS } from '../support/engine-endpoint.ts';
import { basic, OPAQUE_RESOURCE, startServer, type TestServer } from '../support/server.ts';

const FORM = 'application/x-www-form-urlencoded';
const details = JSON.stringify([{ type: 'table_access', identifier: 'orders', actions: ['read'] }]);

interface Request {
  readonly name: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What must be equal: all of the answer but what is new with each token. */
interface Comparable {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const COMPARED_HEADERS = [
  'content-type',
  'cache-control',
  'www-authenticate',
  'vary',
  'retry-after',
  'access-control-allow-origin',
];

function withoutOwnText(answer: Comparable): Comparable {
  const body = answer.body as Record<string, unknown>;
  if (!OWN_TEXTS.includes(String(body.error))) return answer;
  assert.equal(typeof body.error_description, 'string');
  return { ...answer, body: { ...body, error_description: undefined } };
}

describe('the token endpoint', () => {
  let server: TestServer;
  let engine: TestServer;
  before(async () => {
    [server, engine] = await Promise.all([
      startServer(),
      startServer({ tokenEndpoint: engineTokenEndpoint, directLane: false }),
    ]);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const anonymize = (value: unknown): unknown => {
    const { access_token, exp, iat, jti, anc, sub, iss, as_of, ...rest } = value as Record<string, any>;
    const isJwt = String(access_token).startsWith('eyJ');
    return {
      ...rest,
      ...(anc && { anc: anc.length }),
      ...(exp !== undefined && { life: exp - iat }),
      ...(sub !== undefined && { sub: typeof sub }),
      ...(access_token !== undefined && {
        access_token: isJwt
          ? {
              ...(anonymize(decodeJwt(access_token)) as object),
              typ: decodeProtectedHeader(access_token).typ,
            }
          : access_token.replace(/(?<=^gat_).*/, ''),
      }),
    };
  };

  async function ask({ issuer }: TestServer, { body, headers }: Request): Promise<Comparable> {
    const response = await fetch(`${issuer}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': FORM, accept: 'application/json', ...headers },
      body,
    });
    const text = await response.text();
    let parsed: unknown = text;
    try {
      parsed = anonymize(JSON.parse(text));
    } catch {
      // Not every answer is JSON.
    }
    return {
      status: response.status,
      body: parsed,
      headers: Object.fromEntries(
        COMPARED_HEADERS.map((name) => [name, response.headers.get(name)?.replaceAll(issuer, 'ISSUER')]),
      ),
    };
  }

  const machine = { authorization: basic('machine', 'secret-of-machine-'.padEnd(40, 'x')) };
  const api = { authorization: basic('shop-api', 'secret-of-shop-api-'.padEnd(40, 'x')) };
  const token = (name: string, body: string, headers: Record<string, string> = machine): Request => ({
    name,
    body,
    headers,
  });
  const cc = 'grant_type=client_credentials';

  const tokenRequests: Request[] = [
    token('nothing asked', cc),
    token('an opaque resource', `${cc}&resource=${encodeURIComponent(OPAQUE_RESOURCE)}`),
    token('details', `${cc}&authorization_details=${encodeURIComponent(details)}`),
    token(
      'permissions',
      `${cc}&permissions=${encodeURIComponent('{"isAdmin":false,"tables":{"orders":{"read":true}}}')}`,
    ),
    token('table scopes', `${cc}&scope=orders:read`),
    token('a scope', `${cc}&scope=orders.read`),
    token('two spellings', `${cc}&scope=orders:read&authorization_details=${encodeURIComponent(details)}`),
    token('too much', `${cc}&scope=orders:delete`),
    token('an unknown scope', `${cc}&scope=nope`),
    token('a scope of strange characters', `${cc}&scope=${encodeURIComponent('a"b')}`),
    token('broken details', `${cc}&authorization_details=%7B`),
    token(
      'details of an unknown type',
      `${cc}&authorization_details=${encodeURIComponent('[{"type":"x"}]')}`,
    ),
    token(
      'details that name another resource of the application',
      `${cc}&authorization_details=${encodeURIComponent(
        `[{"type":"table_access","identifier":"orders","actions":["read"],"locations":["${OPAQUE_RESOURCE}"]}]`,
      )}`,
    ),
    token('empty details', `${cc}&authorization_details=%5B%5D`),
    token('details that are no array', `${cc}&authorization_details=%7B%7D`),
    token(
      'a detail with a number for actions',
      `${cc}&authorization_details=${encodeURIComponent('[{"type":"table_access","actions":1}]')}`,
    ),
    token('an unknown resource', `${cc}&resource=https%3A%2F%2Fnowhere.example%2F`),
    token('no resource uri', `${cc}&resource=nope`),
    token(
      'a resource with a fragment',
      `${cc}&resource=${encodeURIComponent('https://api.acme.example/#x')}`,
    ),
    token('a repeated scope parameter', `${cc}&scope=orders.read&scope=orders.read`),
    token('a repeated grant type', `${cc}&${cc}`),
    token('a repeated resource', `${cc}&resource=a&resource=b`),
    token('an empty scope', `${cc}&scope=`),
    token('an unknown parameter', `${cc}&foo=bar`),
    token('nested names', `${cc}&scope[]=orders.read&a[b]=c`),
    token('a client_id beside the header', `${cc}&client_id=machine`),
    token('another client_id beside the header', `${cc}&client_id=shop`),
    token('TE-04 a secret beside the header', `${cc}&client_id=machine&client_secret=x`),
    token('no grant type', 'scope=orders.read'),
    token('an unknown grant type', 'grant_type=nope'),
    token('a grant that is not allowed', cc, api),
    token('a wrong secret', cc, { authorization: basic('machine', 'wrong') }),
    token('an unknown client', cc, { authorization: basic('nobody', 'wrong') }),
    token('no authentication', cc, {}),
    token('a lower-case scheme', cc, { authorization: machine.authorization.replace('Basic', 'basic') }),
    token('TE-06 broken base64', cc, { authorization: 'Basic %%%' }),
    token('TE-06 base64 without a colon', cc, {
      authorization: `Basic ${Buffer.from('machine').toString('base64')}`,
    }),
    token('TE-06 base64 without padding', cc, { authorization: machine.authorization.replace(/=+$/, '') }),
    token('two blanks', cc, { authorization: machine.authorization.replace('Basic ', 'Basic  ') }),
    token('percent-encoded credentials', cc, {
      authorization: `Basic ${Buffer.from(`%6dachine:${'secret-of-machine-'.padEnd(40, 'x')}`).toString('base64')}`,
    }),
    token('a bearer', cc, { authorization: 'Bearer abc' }),
    token('a foreign origin', cc, { ...machine, origin: 'https://evil.example' }),
    token('an opaque origin', cc, { ...machine, origin: 'null' }),
    token('TE-02 JSON', '{"grant_type":"client_credentials"}', {
      ...machine,
      'content-type': 'application/json',
    }),
    token('another charset', cc, { ...machine, 'content-type': `${FORM}; charset=utf-16` }),
    token('a NUL', `${cc}&scope=%00`),
  ];

  for (const request of tokenRequests) {
    test(`token: ${request.name}`, async () => {
      const ours = await ask(server, request);
      assert.deepEqual(withoutOwnText(ours), withoutOwnText(await ask(engine, request)));
    });
  }

  test('DO-05 wrong secrets are counted, and then the right one is refused too', async () => {
    for (let guess = 0; guess < 25; guess += 1) {
      await ask(server, token('', cc, { authorization: basic('admin', 'wrong') }));
    }
    const admin = { authorization: basic('admin', 'secret-of-admin-'.padEnd(40, 'x')) };
    const answer = await ask(server, token('', cc, admin));
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers['retry-after']) > 0);
  });

  test('a disabled application is refused on the very next request', async () => {
    const { changes, storage } = server.server.foundations;
    const application = await storage.directory.applications.findBy('clientId', 'shop');
    assert.ok(application);
    assert.equal((await server.token('shop')).status, 200);
    await changes.applications.replace({ ...application, enabled: false }, { actor: 'test' });
    assert.equal((await server.token('shop')).status, 401);
    assert.equal((await server.post('/oauth/introspect', 'shop', { token: 'x' })).status, 401);
  });
});

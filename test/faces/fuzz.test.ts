import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Face } from '../../src/faces/face.ts';
import { builtInFaces } from '../../src/faces/index.ts';
import fc from '../support/properties.ts';
import { basic, PASSWORD, startServer, type TestServer } from '../support/server.ts';

const RUNS = process.env.GRANTABLE_TEST_LONG ? 1_500 : 75;
const EMAIL = 'ann@acme.example';

/** Only to know their routes. */
const faces = await Promise.all(
  builtInFaces.map(async ({ load }) =>
    (await load()).createFace({ issuer: 'https://id.example', prefixes: {} } as never),
  ),
);

/** What clients of each send; names and passwords in them are right. */
const bodies: Readonly<Record<Face['name'], readonly string[]>> = {
  sunbreak: [
    JSON.stringify({
      data: [{ email: EMAIL, password: PASSWORD, name: 'Ann' }],
      context: { domain: 'a.example', isNewUser: false },
    }),
    '{"data":[{"permissions":{"isAdmin":true,"tables":{}},"userId":12}],"context":{}}',
    '{"data":[{"userId":12}]}',
  ],
  devicehive: [
    JSON.stringify({ login: 'ann', password: PASSWORD }),
    '{"userId":1,"actions":["*"],"networkIds":null,"deviceTypeIds":null}',
    '{"a":[0],"e":"2031-01-02T03:04:05.000","t":1,"tpc":"plugin_topic_x"}',
  ],
  apiMaker: [
    JSON.stringify({ authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } }),
    JSON.stringify({
      authTokenType: 'AM_DB',
      authTokenAMDB: {
        instance: 'crm',
        database: 'main',
        collection: 'customers',
        usernameColumn: 'email',
        passwordColumn: 'password',
        u: EMAIL,
        p: PASSWORD,
      },
    }),
  ],
  usergrid: [
    JSON.stringify({ grant_type: 'password', username: 'ann', password: PASSWORD }),
    '{"grant_type":"client_credentials","client_id":"shop","client_secret":"wrong"}',
    `grant_type=password&username=ann&password=${PASSWORD}&ttl=2000`,
    '{"accesstokenttl":1000}',
  ],
  fusio: [
    JSON.stringify({ username: 'ann', password: PASSWORD, scopes: ['authorization'] }),
    'grant_type=client_credentials&scope=foo%2Cbar',
    'grant_type=authorization_code&code=x',
    '{"name":"app","url":"https://a.example/","scopes":["consumer"]}',
  ],
};

/** Where a mail is sent, which may have to wait. */
const MAILS = /^\/consumer\/(?:register|password_reset)$/;
const isNoFailure = (status: number, path: string): boolean =>
  status < 500 || (status === 503 && MAILS.test(path));

const GIVEN = /"(?:access_?token|refresh_?token|token|appSecret|client_secret)":\s*"[^"]/i;

function pathOf(route: string): [method: string, path: string] {
  const [method = '', path = ''] = route.split(' ');
  const named: Record<string, string> = {
    organization: 'acme',
    application: 'shop',
    user: 'ann',
    role: 'clerk',
    id: '1',
  };
  return [method, path.replaceAll(/:(\w+)/g, (_, name: string) => named[name] ?? 'x')];
}

describe('LG-01 tokens and routes of one face are refused by the others', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      env: {
        GRANTABLE_ADDRESS_LIMIT: '100000/1m',
        GRANTABLE_ACCOUNT_LIMIT: '100000/1m',
        GRANTABLE_CLIENT_LIMIT: '100000/1m',
      },
      fixture(fixture) {
        const [acme] = fixture.organizations;
        acme.clientId = 'acme-org';
        acme.applications[0].grants.push('token_exchange', 'authorization_code', 'database_user');
        acme.applications[0].redirectUris = ['https://app.acme.example/callback'];
        acme.applications.push({
          name: 'sites',
          clientId: 'sites',
          grants: ['password', 'token_exchange'],
          permissions: { isAdmin: true },
        });
        acme.faces = {
          sunbreak: { application: 'sites' },
          apiMaker: { application: 'shop' },
          devicehive: { application: 'shop', administrators: true },
          usergrid: { administrators: true },
          fusio: { application: 'shop', registration: true, userCredentials: true },
        };
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const send = async (
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
  ) => {
    const response = await fetch(server.issuer + path, {
      method,
      redirect: 'manual',
      headers: { accept: 'application/json', ...headers },
      ...(method !== 'GET' && body !== undefined && { body }),
    });
    return { status: response.status, text: await response.text() };
  };

  for (const face of faces) {
    const routes = Object.keys(face.routes).map(pathOf);

    test(`${face.name} with the bodies of the other four: no 500, no token`, async () => {
      for (const [other, sent] of Object.entries(bodies)) {
        if (other === face.name) continue;
        for (const [method, path] of routes) {
          // Both are at home there, and the body says for which of them it is.
          const isShared = path === '/token' && ['usergrid', 'devicehive'].includes(other);
          for (const body of isShared ? [] : sent) {
            for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
              const { status, text } = await send(method, path, body, { 'content-type': type });
              const what = `${method} ${path} <- ${other} as ${type}: ${status} ${text}`;
              assert.ok(isNoFailure(status, path), what);
              assert.doesNotMatch(text, GIVEN, what);
            }
          }
        }
      }
    });

    test(`${face.name} with anything at all: no 500, no token`, async () => {
      // Cut somewhere, one of its own may still be a whole login.
      const foreign = Object.entries(bodies).flatMap(([name, sent]) => (name === face.name ? [] : sent));
      const anything = fc.oneof(
        fc.json({ maxDepth: 4 }),
        fc
          .record(
            {
              grant_type: fc.anything({ maxDepth: 1 }),
              username: fc.anything({ maxDepth: 1 }),
              password: fc.anything({ maxDepth: 1 }),
              data: fc.anything({ maxDepth: 3 }),
              token: fc.anything({ maxDepth: 1 }),
              userId: fc.anything({ maxDepth: 1 }),
              scopes: fc.anything({ maxDepth: 2 }),
              ttl: fc.anything({ maxDepth: 1 }),
            },
            { requiredKeys: [] },
          )
          .map(
            (value) =>
              JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)) ?? '',
          ),
        fc.constantFrom(...foreign).chain((body) => fc.nat(body.length).map((at) => body.slice(0, at))),
        fc.string({ unit: 'binary' }),
      );
      const authorization = fc.constantFrom(
        undefined,
        'Bearer',
        'Bearer x',
        'Bearer gat_xxxx',
        'Bearer eyJhbGciOiJub25lIn0.e30.',
        'Basic',
        'Basic !!!!',
        'Basic Og==',
        basic('shop', 'wrong'),
        basic('acme.usergrid', ''),
        basic('ann', 'wrong:password'),
      );
      const query = fc.constantFrom(
        '',
        '?',
        '?access_token=',
        '?access_token=x&access_token=y',
        '?token=%00',
        '?grant_type=password&username=ann',
        '?ttl=NaN',
        '?client_id=shop&client_secret=x',
        '?%ZZ',
      );
      const types = fc.constantFrom(
        'application/json',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'text/plain',
        'application/json; charset=utf-16',
      );
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...routes),
          anything,
          authorization,
          query,
          types,
          async ([method, path], body, proof, search, type) => {
            const { status, text } = await send(method, path + search, body.isWellFormed() ? body : 'x', {
              'content-type': type,
              ...(proof !== undefined && { authorization: proof }),
            });
            const what = `${method} ${path}${search} ${proof} ${JSON.stringify(body)}: ${status} ${text}`;
            assert.ok(isNoFailure(status, path), what);
            assert.doesNotMatch(text, GIVEN, what);
          },
        ),
        { numRuns: RUNS },
      );
    });
  }
});

/** The AuthZEN Authorization API 1.0: decisions about tokens, over HTTP. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import type { Application } from '../../src/nouns/index.ts';
import { createVerifier } from '../../src/resource-server/index.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { AUTHOR, stored } from '../support/exchange.ts';
import fc from '../support/properties.ts';
import {
  basic,
  OPAQUE_RESOURCE,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
} from '../support/server.ts';

const ONE = '/access/v1/evaluation';
const MANY = '/access/v1/evaluations';
const RUNS = process.env.GRANTABLE_TEST_LONG ? 2_000 : 100;

const COLUMNS = [
  { name: 'id', type: 'integer' },
  { name: 'customer_id', type: 'integer' },
  { name: 'status', type: 'text' },
  { name: 'total', type: 'decimal' },
];
/** Two ways to read, which do not add up: two columns of all rows, or all columns of the customer's. */
const LIMITED = {
  tables: {
    orders: {
      create: { rows: { customer_id: ['42'] }, columns: ['customer_id', 'total'] },
      read: [{ columns: ['id', 'status'] }, { rows: { customer_id: ['42'] } }],
      update: { rows: { customer_id: ['42'] }, columns: ['customer_id', 'status'] },
      delete: { rows: { customer_id: ['42'] } },
    },
    products: { read: true },
  },
};
const INACTIVE = {
  decision: false,
  context: {
    error: 'invalid_token',
    error_description: 'The token is not an active access token for this resource.',
  },
};

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

describe('AuthZEN', () => {
  let server: TestServer;
  /** Limited, of each format, for the one resource that `orders-api` or `opaque-api` serves. */
  let tokens: Record<'orders-api' | 'opaque-api', string>;

  before(async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'client-key', alg: 'ES256', use: 'sig' };
    server = await startServer({
      fixture({ organizations: [acme] }) {
        for (const resource of acme.resources) {
          resource.tables = [{ id: 'orders', columns: COLUMNS }, { id: 'products' }, { id: 'a"b c.ü' }];
        }
        const api = (clientId: string, introspects: string[], rest: object = {}) => ({
          name: clientId,
          clientId,
          clientSecret: secretFor(clientId),
          introspects,
          ...rest,
        });
        acme.applications.push(
          {
            name: 'limited',
            clientId: 'limited',
            clientSecret: secretFor('limited'),
            grants: ['client_credentials'],
            resource: RESOURCE,
            permissions: LIMITED,
            resources: { [OPAQUE_RESOURCE]: LIMITED },
          },
          {
            name: 'narrowed',
            clientId: 'narrowed',
            clientSecret: secretFor('narrowed'),
            grants: ['client_credentials'],
            resource: RESOURCE,
            permissions: LIMITED,
          },
          api('orders-api', [RESOURCE]),
          api('opaque-api', [OPAQUE_RESOURCE]),
          api('post-api', [RESOURCE], { authMethod: 'client_secret_post' }),
          {
            name: 'keyed-api',
            clientId: 'keyed-api',
            authMethod: 'private_key_jwt',
            jwks: { keys: [jwk] },
            introspects: [RESOURCE],
          },
        );
      },
    });
    tokens = {
      'orders-api': await tokenOf('limited'),
      'opaque-api': await tokenOf('limited', { resource: OPAQUE_RESOURCE }),
    };
  });
  after(() => server[Symbol.asyncDispose]());

  const secretFor = (clientId: string): string => `secret-of-${clientId}-`.padEnd(40, 'x');

  async function tokenOf(client: string, form: Record<string, string> = {}): Promise<string> {
    const { json } = await server.token(client, form);
    assert.equal(typeof json.access_token, 'string', JSON.stringify(json));
    return json.access_token;
  }

  async function send(
    path: string,
    body: unknown,
    { client = 'orders-api', headers = {} }: { client?: string | undefined; headers?: object } = {},
  ) {
    const response = await fetch(server.issuer + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(client !== '' && { authorization: basic(client, server.secretOf(client)) }),
        ...headers,
      },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
  }

  const question = (
    token: string,
    action: string,
    table: string,
    { row, ...ofAction }: { row?: object; columns?: string[]; changes?: object } = {},
  ) => ({
    subject: { type: 'access_token', id: token },
    resource: { type: 'table', id: table, ...(row && { properties: { row } }) },
    action: { name: action, properties: ofAction },
  });

  async function ask(body: unknown, client = 'orders-api') {
    const { status, json, text } = await send(ONE, body, { client });
    assert.equal(status, 200, text);
    return json;
  }

  for (const client of ['orders-api', 'opaque-api'] as const) {
    describe(`about tokens for ${client}`, () => {
      const decide = async (action: string, table: string, known: object = {}) =>
        (await ask(question(tokens[client], action, table, known), client)).decision;

      test('a right without limits needs no row', async () => {
        assert.deepEqual(await ask(question(tokens[client], 'read', 'products'), client), {
          decision: true,
          context: { limits: [{}] },
        });
      });

      test('a right that the token lacks is denied, with what to ask for', async () => {
        const resource = client === 'orders-api' ? RESOURCE : OPAQUE_RESOURCE;
        assert.deepEqual(await ask(question(tokens[client], 'delete', 'a"b c.ü'), client), {
          decision: false,
          context: {
            error: 'insufficient_scope',
            error_description: 'The token does not allow to delete rows of a%22b%20c.%C3%BC.',
            scope: 'a%22b%20c.%C3%BC:delete',
            authorization_details: [
              { type: 'table_access', locations: [resource], identifier: 'a"b c.ü', actions: ['delete'] },
            ],
            limits: [],
          },
        });
      });

      test('IN-06 a limited right without a row is denied, with its limits', async () => {
        const { decision, context } = await ask(question(tokens[client], 'read', 'orders'), client);
        assert.equal(decision, false);
        assert.equal(context.scope, 'orders:read');
        assert.match(context.error_description, /Say which ones this is about: resource\.properties\.row/);
        assert.deepEqual(
          new Set(context.limits.map((limit: object) => JSON.stringify(limit))),
          new Set(['{"columns":["id","status"]}', '{"rows":{"customer_id":["42"]}}']),
        );
      });

      test('reading is decided by row and columns, and alternatives do not mix', async () => {
        const own = { id: 1, customer_id: '042', total: 1 };
        const foreign = { id: 2, customer_id: 43, total: 1 };
        assert.equal(await decide('read', 'orders', { row: own }), true);
        assert.equal(await decide('read', 'orders', { row: foreign }), false);
        assert.equal(await decide('read', 'orders', { row: foreign, columns: ['id', 'status'] }), true);
        assert.equal(await decide('read', 'orders', { row: foreign, columns: ['id', 'total'] }), false);
        assert.equal(await decide('read', 'orders', { row: { id: 3 }, columns: ['total'] }), false);
        assert.equal(await decide('read', 'orders', { row: { customer_id: null } }), false);
        assert.equal(await decide('read', 'orders', { columns: ['id'] }), true);
      });

      test('of a row that is read it says which columns may be', async () => {
        const { context } = await ask(
          question(tokens[client], 'read', 'orders', { row: { customer_id: 43 } }),
          client,
        );
        assert.deepEqual(context.columns, ['id', 'status']);
        const own = await ask(
          question(tokens[client], 'read', 'orders', { row: { customer_id: 42 } }),
          client,
        );
        assert.equal('columns' in own.context, false);
      });

      test('creating is decided by the row as it will be', async () => {
        assert.equal(await decide('create', 'orders', { row: { customer_id: 42, total: 5 } }), true);
        assert.equal(await decide('create', 'orders', { row: { customer_id: 43, total: 5 } }), false);
        assert.equal(await decide('create', 'orders', { row: { customer_id: 42, status: 'x' } }), false);
        const withDefault = { row: { customer_id: 42, status: 'new' }, columns: ['customer_id'] };
        assert.equal(await decide('create', 'orders', withDefault), true);
        assert.equal(await decide('create', 'orders'), false);
      });

      test('updating is decided by the row before and after', async () => {
        const row = { id: 1, customer_id: 42, status: 'new' };
        const update = (known: object) => decide('update', 'orders', { row, ...known });
        assert.equal(await update({ changes: { status: 'paid' } }), true);
        assert.equal(await update({ changes: { customer_id: 42 } }), true);
        assert.equal(await update({ changes: { customer_id: 43 } }), false);
        assert.equal(await update({ changes: { total: 1 } }), false);
        assert.equal(await update({ changes: { CUSTOMER_ID: 43 } }), false);
        assert.equal(await update({ row: { customer_id: 43 }, changes: { customer_id: 42 } }), false);
        assert.equal(await update({ columns: ['status'] }), true);
        assert.equal(await update({ columns: ['customer_id'] }), false);
        assert.equal(await update({}), false);
        assert.equal(await decide('update', 'orders', { changes: { status: 'paid' } }), false);
      });

      test('deleting is decided by the row', async () => {
        assert.equal(await decide('delete', 'orders', { row: { customer_id: 42 } }), true);
        assert.equal(await decide('delete', 'orders', { row: { customer_id: 43 } }), false);
        assert.equal(await decide('delete', 'orders', { row: {} }), false);
        assert.equal(await decide('delete', 'orders'), false);
      });

      test('a token that is revoked is denied at once', async () => {
        const resource = client === 'orders-api' ? RESOURCE : OPAQUE_RESOURCE;
        const token = await tokenOf('limited', { resource });
        assert.equal((await ask(question(token, 'read', 'products'), client)).decision, true);
        await server.post('/oauth/revoke', 'limited', { token });
        assert.deepEqual(await ask(question(token, 'read', 'products'), client), INACTIVE);
      });
    });
  }

  test('the alternatives are those of the library for resource servers', async () => {
    const verifier = createVerifier({
      issuer: server.issuer,
      resource: RESOURCE,
      clientId: 'orders-api',
      clientSecret: server.secretOf('orders-api'),
      mode: 'introspection',
      tables: {
        orders: { id: 'integer', customer_id: 'integer', status: 'text', total: 'decimal' },
      },
    });
    const { access } = await verifier.verify(tokens['orders-api']);
    for (const action of ['create', 'read', 'update', 'delete'] as const) {
      const { context } = await ask(question(tokens['orders-api'], action, 'orders'));
      assert.deepEqual(context.limits, access.limits('orders', action), action);
    }
  });

  test('PM-08 a ceiling that shrinks takes its rights from the next decision', async () => {
    const token = await tokenOf('narrowed');
    const read = question(token, 'read', 'products');
    assert.equal((await ask(read)).decision, true);
    const { storage, changes } = server.server.foundations;
    const change = async (fields: Partial<Application>) => {
      const application = await storage.directory.applications.findBy('clientId', 'narrowed');
      await changes.applications.replace({ ...(application as Application), ...fields }, AUTHOR);
    };
    const permissions = stored({ tables: { orders: { read: true } } });
    await change({ ceilings: [{ resource: RESOURCE, permissions }] });
    assert.equal((await ask(read)).decision, false);
    const ids = question(token, 'read', 'orders', { columns: ['id'] });
    assert.equal((await ask(ids)).decision, true);
    await change({ enabled: false });
    assert.deepEqual(await ask(ids), INACTIVE);
  });

  test('a token that is bound to a key is denied: nothing proves the key', async () => {
    const { foundations, tokens: service } = server.server;
    const view = await foundations.directory.view();
    const active = await view.findApplication('limited');
    assert.ok(active);
    for (const sender of [{ jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' }, undefined]) {
      const { answer } = await service.issue({
        view,
        asOf: foundations.now(),
        client: { ...active, method: 'client_secret_basic' },
        grantType: 'client_credentials',
        parameters: {},
        address: '127.0.0.1',
        sender,
      });
      const asked = question(String(answer.access_token), 'read', 'products');
      assert.equal((await ask(asked)).decision, sender === undefined);
    }
  });

  test('an administrator of the resource may do everything', async () => {
    const token = await tokenOf('admin');
    assert.equal((await ask(question(token, 'delete', 'orders'))).decision, true);
  });

  test('MT-02 every other token than a living one for the resource is alike', async () => {
    const flow = createFlow(server);
    const logged = await flow.tokens(createBrowser(server.issuer), { scope: 'openid offline_access' });
    const password = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const login = (await server.post('/oauth/token', 'shop', password)).json;
    const others = {
      'of another organization': await tokenOf('other-shop'),
      'for another resource': tokens['opaque-api'],
      'a refresh token': login.refresh_token,
      'an ID token': logged.id_token,
      'for userinfo': logged.access_token,
      unknown: 'gat_unknown',
      empty: '',
      'with a changed signature': `${tokens['orders-api'].slice(0, -8)}AAAAAAAA`,
    };
    for (const [name, token] of Object.entries(others)) {
      assert.equal(typeof token, 'string', name);
      assert.deepEqual(await ask(question(token, 'read', 'products')), INACTIVE, name);
      assert.deepEqual(
        await ask(question(token, 'fly', 'products')),
        await ask(question('x', 'fly', 'products')),
      );
    }
    const own = question(tokens['orders-api'], 'read', 'products');
    assert.deepEqual(await ask(own, 'other-api'), INACTIVE);
    server.clock.offset += 3_601_000;
    try {
      assert.deepEqual(await ask(own), INACTIVE, 'expired');
    } finally {
      server.clock.offset -= 3_601_000;
    }
  });

  test('an API of several resources says which one has the table', async () => {
    const of = (resource?: string) => {
      const asked = question(tokens['orders-api'], 'read', 'products');
      return { ...asked, resource: { ...asked.resource, properties: { ...(resource && { resource }) } } };
    };
    assert.equal((await ask(of(RESOURCE), 'shop-api')).decision, true);
    assert.deepEqual(await ask(of(OPAQUE_RESOURCE), 'shop-api'), INACTIVE);
    assert.deepEqual(await ask(of('https://api.other.example/'), 'shop-api'), INACTIVE);
    const { status, json } = await send(ONE, of(), { client: 'shop-api' });
    assert.equal(status, 400);
    assert.match(json.error_description, /resource\.properties\.resource/);
  });

  test('the token may stand in a property instead of the id', async () => {
    const asked = question('ann', 'read', 'products');
    const properties = { token: tokens['orders-api'] };
    assert.equal((await ask({ ...asked, subject: { ...asked.subject, properties } })).decision, true);
  });

  test('unknown subjects, resources and actions are denied', async () => {
    const token = tokens['orders-api'];
    const good = question(token, 'read', 'products');
    const cases: [object, RegExp][] = [
      [
        { ...good, subject: { type: 'user', id: 'ann' } },
        /Unknown type user of the subject. Use access_token/,
      ],
      [{ ...good, resource: { type: 'book', id: '1' } }, /Unknown type book of the resource. Use table/],
      [
        question(token, 'can_read', 'products'),
        /Unknown action can_read. Use create, read, update or delete/,
      ],
      [question(token, 'read', '*'), /A table id must not be \*/],
      [question(token, 'read', '@sales'), /A table id must not begin with @/],
      [question(token, 'read', '__proto__'), /A table id must not be a name/],
    ];
    for (const [body, message] of cases) {
      const { decision, context } = await ask(body);
      assert.equal(decision, false);
      assert.equal(context.error, 'invalid_request');
      assert.match(context.error_description, message);
    }
  });

  describe('several evaluations', () => {
    const batch = async (body: object) => {
      const { status, json, text } = await send(MANY, body);
      assert.equal(status, 200, text);
      return json;
    };
    const subject = () => ({ type: 'access_token', id: tokens['orders-api'] });
    const read = { name: 'read' };
    const table = (id: string) => ({ resource: { type: 'table', id } });
    const yes = table('products');
    const no = table('a"b c.ü');
    const decisions = ({ evaluations }: { evaluations: { decision: boolean }[] }) =>
      evaluations.map(({ decision }) => decision);

    test('take what they leave out from the request, in their order', async () => {
      const json = await batch({ subject: subject(), action: read, evaluations: [yes, no, yes] });
      assert.deepEqual(decisions(json), [true, false, true]);
      assert.equal('decision' in json, false);
    });

    test('replace a default as a whole, but for its type, id and name', async () => {
      const json = await batch({
        subject: subject(),
        action: { name: 'read', properties: { columns: ['id'] } },
        resource: { type: 'table', properties: { row: { customer_id: 42 } } },
        evaluations: [
          { resource: { id: 'products' } },
          { resource: { id: 'orders' } },
          { resource: { id: 'orders' }, action: { properties: {} } },
        ],
      });
      assert.deepEqual(decisions(json), [true, true, false]);
    });

    test('end early where the request says so', async () => {
      const all = { subject: subject(), action: read, evaluations: [yes, no, yes] };
      const by = async (evaluations_semantic: string) =>
        decisions(await batch({ ...all, options: { evaluations_semantic } }));
      assert.deepEqual(await by('execute_all'), [true, false, true]);
      assert.deepEqual(await by('deny_on_first_deny'), [true, false]);
      assert.deepEqual(await by('permit_on_first_permit'), [true]);
      const { status, json } = await send(MANY, { ...all, options: { evaluations_semantic: 'toString' } });
      assert.equal(status, 400);
      assert.match(json.error_description, /execute_all or deny_on_first_deny or permit_on_first_permit/);
    });

    test('are denied one by one where they are wrong', async () => {
      const json = await batch({
        subject: subject(),
        action: read,
        evaluations: [yes, {}, 7, { ...yes, action: 1 }],
      });
      assert.deepEqual(decisions(json), [true, false, false, false]);
      assert.equal(json.evaluations[1].context.error_description, 'The member resource is missing.');
    });

    test('may be left out or empty, which is a single one', async () => {
      const single = { subject: subject(), action: read, ...yes };
      for (const body of [single, { ...single, evaluations: [] }]) {
        assert.deepEqual(await batch(body), { decision: true, context: { limits: [{}] } });
      }
      assert.equal((await send(MANY, { subject: subject(), action: read })).status, 400);
    });

    test('are at most 100', async () => {
      const of = (length: number) => ({
        subject: subject(),
        action: read,
        evaluations: Array.from({ length }, () => yes),
      });
      assert.equal((await batch(of(100))).evaluations.length, 100);
      const { status, json } = await send(MANY, of(101));
      assert.equal(status, 400);
      assert.match(json.error_description, /101 entries. Send at most 100/);
    });

    test('tell a bounded amount of limits together', async () => {
      const values = Array.from({ length: 100 }, (_, index) => String(1000 + index));
      const authorization_details = JSON.stringify([
        {
          type: 'table_access_set',
          tables: ['orders'],
          actions: ['delete'],
          rows: { customer_id: ['42'], id: values },
        },
      ]);
      const id = await tokenOf('limited', { authorization_details });
      const json = await batch({
        subject: { type: 'access_token', id },
        action: { name: 'delete' },
        evaluations: Array.from({ length: 100 }, () => table('orders')),
      });
      const told = json.evaluations.filter(({ context }: any) => context.limits);
      assert.equal(told.length, 99);
      assert.equal(json.evaluations.length, 100);
    });
  });

  describe('who asks', () => {
    const good = () => question(tokens['orders-api'], 'read', 'products');

    test('authenticates as at introspection, in the body too', async () => {
      const client = 'post-api';
      const inBody = { ...good(), client_id: client, client_secret: server.secretOf(client) };
      assert.equal((await send(ONE, inBody, { client: '' })).json.decision, true);
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: 'keyed-api',
        sub: 'keyed-api',
        aud: server.issuer,
        jti: randomUUID(),
        iat: now,
        exp: now + 60,
      };
      const client_assertion = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'client-key' })
        .sign(privateKey);
      const keyed = {
        ...good(),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
      };
      assert.equal((await send(ONE, keyed, { client: '' })).json.decision, true);
      assert.equal((await send(ONE, keyed, { client: '' })).status, 401, 'a used assertion');
      assert.equal((await send(ONE, inBody, { client: 'orders-api' })).status, 400, 'two ways at once');
      const large = { ...inBody, context: { text: 'x'.repeat(60_000) } };
      assert.equal((await send(ONE, large, { client: '' })).status, 413);
      const { client_secret: _, ...withoutSecret } = large;
      assert.equal((await send(ONE, withoutSecret, { client })).status, 200);
      const twice = { ...inBody, client_secret: [inBody.client_secret, inBody.client_secret] };
      assert.equal((await send(ONE, twice, { client: '' })).status, 400, 'a repeated member');
    });

    test('gets 401 without good credentials, 403 if it serves no resource', async () => {
      const wrong = await send(ONE, good(), { headers: { authorization: basic('orders-api', 'wrong') } });
      assert.equal(wrong.status, 401);
      const header = { authorization: basic('orders-api', 'wrong') };
      assert.equal((await send(ONE, '{', { headers: header })).status, 401, 'before the body is parsed');
      assert.match(String(wrong.headers.get('www-authenticate')), /^Basic realm=/);
      const missing = await send(ONE, good(), { client: '' });
      assert.equal(missing.status, 401);
      assert.match(String(missing.headers.get('www-authenticate')), /^Basic realm=/);
      const bearer = { authorization: `Bearer ${tokens['orders-api']}` };
      assert.equal((await send(ONE, good(), { headers: bearer })).status, 401);
      assert.equal((await send(ONE, { ...good(), client_id: 'spa' }, { client: '' })).status, 401);
      assert.equal((await send(ONE, good(), { client: 'machine' })).status, 403);
      assert.equal((await send(MANY, good(), { client: 'machine' })).status, 403);
    });

    test('finds its request id in the answer, also in a refusal', async () => {
      const headers = { 'x-request-id': 'bfe9eb29 / any "text" at all' };
      for (const body of [good(), '{']) {
        const answer = await send(ONE, body, { headers });
        assert.equal(answer.headers.get('x-request-id'), headers['x-request-id']);
      }
      assert.match(String((await send(ONE, good())).headers.get('x-request-id')), /^[\w-]{36}$/);
    });
  });

  test('a body that is not a plain JSON object gets 400 and a sentence', async () => {
    const good = JSON.stringify(question(tokens['orders-api'], 'read', 'products'));
    const bodies = [
      '',
      '{',
      '[]',
      'null',
      '"x"',
      good.replace('{', '{"subject":{"type":"access_token","id":"x"},'),
      good.replace('{', '{"__proto__":{},'),
      good.replace('{', `{"context":${'['.repeat(50_000)}${']'.repeat(50_000)},`),
      good.replace('{', `{"x":[${'1,'.repeat(60_000)}1],`),
      good.replace('{', '{"context":null,'),
    ];
    for (const body of bodies) {
      const { status, json } = await send(ONE, body);
      assert.equal(status, 400, body.slice(0, 80));
      assert.equal(json.error, 'invalid_request');
      assert.match(json.error_description, /\.$/);
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal((await send(ONE, good, { headers: form })).status, 400);
    assert.equal((await send(ONE, `{"x":"${'x'.repeat(300_000)}"}`)).status, 413);
    const charset = { 'content-type': 'application/json; charset=utf-8' };
    assert.equal((await send(ONE, good, { headers: charset })).json.decision, true);
  });

  test('a member that is missing or of another type gets 400', async () => {
    const good = question(tokens['orders-api'], 'read', 'orders');
    const { subject, resource, action } = good;
    const row = (value: unknown) => ({ ...resource, properties: { row: value } });
    const bodies: object[] = [
      { resource, action },
      { subject, action },
      { subject, resource },
      { ...good, subject: 'alice' },
      { ...good, subject: { id: 'x' } },
      { ...good, subject: { type: 'access_token' } },
      { ...good, resource: { type: 'table' } },
      { ...good, resource: { id: 'orders' } },
      { ...good, action: {} },
      { ...good, action: { name: 123 } },
      { ...good, resource: row('x') },
      { ...good, resource: row([]) },
      { ...good, action: { name: 'read', properties: { columns: 'id' } } },
      { ...good, action: { name: 'read', properties: { columns: [1] } } },
      { ...good, action: { name: 'update', properties: { changes: [] } } },
      { ...good, action: { name: 'read', properties: [] } },
      { ...good, subject: { ...subject, properties: { token: 1 } } },
    ];
    for (const body of bodies) {
      const { status, json } = await send(ONE, body);
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(json.error_description, /is missing\.$|must be .+\.$/);
    }
    const unknown = { ...good, foo: 'bar', futureField: { nested: true }, context: { time: 'now' } };
    assert.equal((await send(ONE, unknown)).status, 200);
  });

  test('DO-06 a row has at most as many columns as a table can have', async () => {
    const columns = (length: number) => Object.fromEntries(Array.from({ length }, (_, n) => [`c${n}`, n]));
    const about = (length: number) => [
      question(tokens['orders-api'], 'create', 'orders', { row: columns(length) }),
      question(tokens['orders-api'], 'update', 'orders', { row: {}, changes: columns(length) }),
    ];
    for (const body of about(1000)) assert.equal((await send(ONE, body)).status, 200);
    for (const body of about(1001)) {
      const { status, json } = await send(ONE, body);
      assert.equal(status, 400);
      assert.match(json.error_description, /\.(row|changes) must be an object of at most 1000 columns\.$/);
    }
  });

  test('no JSON whatever makes the server fail', async () => {
    const token = tokens['orders-api'];
    const text = fc.oneof(
      fc.constantFrom(
        token,
        'access_token',
        'table',
        'orders',
        'read',
        'update',
        'customer_id',
        '42',
        '\ud800',
      ),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const leaf = fc.oneof(text, fc.constantFrom(null, true, 0, -0, 1e308, 42, 2 ** 53));
    const name = fc.oneof(
      fc.constantFrom(
        'type',
        'id',
        'name',
        'properties',
        'row',
        'columns',
        'changes',
        'customer_id',
        'token',
      ),
      fc.string({ maxLength: 4 }),
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(name, tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    const known = fc.record(
      { row: value, columns: value, changes: value, resource: value, token: value },
      { requiredKeys: [] },
    );
    const entity = (fields: Record<string, fc.Arbitrary<unknown>>) =>
      fc.oneof(
        { weight: 3, arbitrary: fc.record({ ...fields, properties: known }, { requiredKeys: [] }) },
        value,
      );
    const evaluation = fc.record(
      {
        subject: entity({ type: fc.constant('access_token'), id: fc.oneof(fc.constant(token), text) }),
        resource: entity({ type: fc.constant('table'), id: fc.constantFrom('orders', 'none', '\ud800') }),
        action: entity({ name: fc.constantFrom('create', 'read', 'update', 'delete', 'x') }),
        context: value,
      },
      { requiredKeys: [] },
    );
    const body = fc.oneof(
      evaluation,
      value,
      fc
        .tuple(evaluation, fc.array(fc.oneof(evaluation, value), { maxLength: 4 }), value)
        .map(([top, evaluations, options]) => ({ ...top, evaluations, options })),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom(ONE, MANY), async (json, path) => {
        const { status, json: answer } = await send(path, JSON.stringify(json));
        assert.ok(status === 200 || status === 400, `${status}`);
        for (const { decision, context } of status === 200 ? (answer.evaluations ?? [answer]) : []) {
          assert.equal(typeof decision, 'boolean');
          assert.equal(typeof context, 'object');
        }
      }),
      { numRuns: RUNS },
    );
  });

  test('the metadata names what is offered and nothing else', async () => {
    const response = await fetch(`${server.issuer}/.well-known/authzen-configuration`);
    assert.equal(response.status, 200);
    assert.match(String(response.headers.get('content-type')), /^application\/json\b/);
    assert.deepEqual(await response.json(), {
      policy_decision_point: server.issuer,
      access_evaluation_endpoint: `${server.issuer}${ONE}`,
      access_evaluations_endpoint: `${server.issuer}${MANY}`,
    });
    for (const path of [ONE, MANY]) {
      const got = await fetch(server.issuer + path);
      assert.equal(got.status, 405);
      assert.equal(got.headers.get('allow'), 'POST, OPTIONS');
    }
  });
});

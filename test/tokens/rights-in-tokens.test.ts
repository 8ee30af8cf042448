/** What JWTs, answers and introspection say of rights, and which tokens have room for it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { startServer, type TestServer } from '../support/server.ts';

/** Bytes that servers commonly allow one header. */
const HEADER = 8192;
const MANY = Array.from({ length: 5_000 }, (_, n) => `archive_${n}`);
/** Ids of 16 characters. */
const WIDE = Array.from({ length: 200 }, (_, n) => `shop_table_${String(n).padStart(5, '0')}`);
const ACTIONS = [
  { read: true },
  { create: true, read: true },
  { create: true, read: true, update: true },
  { create: true, read: true, update: true, delete: true },
];
const own = { customer: ['42'], region: ['eu', 'us'] };
const columns = ['customer', 'region', 'total'].map((name) => ({ name, type: 'text' }));

const identifierOf = (name: string): string => `https://${name}.acme.example/`;

const secretFor = (clientId: string) => `secret-of-${clientId}-`.padEnd(40, 'x');

describe('rights in tokens', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const [shop] = acme.resources;
        shop.tables.push({ id: 'invoices', name: 'Invoices', columns });
        const permissions = {
          tables: {
            orders: { read: true, update: true },
            products: { read: true },
            invoices: { create: true, read: { rows: own, columns: ['total'] }, update: { rows: own } },
          },
        };
        const add = (name: string, rest: object, given: object) => {
          const identifier = identifierOf(name);
          acme.resources.push({ identifier, name, scopes: [], ...rest });
          acme.applications.push({
            name,
            clientId: name,
            clientSecret: secretFor(name),
            grants: ['client_credentials'],
            resource: identifier,
            introspects: [identifier],
            permissions: given,
          });
        };
        const { tables } = shop;
        add('short', { tables, token: { claims: ['permissions'] } }, permissions);
        add('grouped', { tables, token: { claims: ['authorization_details'] } }, permissions);
        add('both', { tables }, permissions);
        const wide = Object.fromEntries(WIDE.map((id, n) => [id, ACTIONS[n % 4]]));
        const listed = WIDE.map((id) => ({ id }));
        add('wide', { tables: listed, token: { claims: ['authorization_details'] } }, { tables: wide });
        const groups = [{ id: 'archive', tables: MANY }];
        const archive = MANY.map((id) => ({ id }));
        const reads = { tables: { '@archive': { read: true } } };
        add('archive', { tables: archive, groups }, reads);
        add('strict', { tables: archive, groups, token: { overflow: 'refuse' } }, reads);
        add('everything', { tables: archive, groups }, { tables: { '*': { read: true } } });
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  test('a JWT says what is true and groups tables, where answers say all', async () => {
    const { json } = await server.token('both');
    const claims = decodeJwt(json.access_token);
    const locations = [identifierOf('both')];
    const set = { type: 'table_access_set', locations };
    assert.deepEqual(claims.permissions, {
      tables: {
        invoices: { create: true },
        orders: { read: true, update: true },
        products: { read: true },
      },
    });
    const limited = [
      { ...set, tables: ['invoices'], actions: ['read'], columns: ['total'], rows: own },
      { ...set, tables: ['invoices'], actions: ['update'], rows: own },
    ];
    assert.deepEqual(claims.authorization_details, [
      { ...set, tables: ['invoices'], actions: ['create'] },
      { ...set, tables: ['orders'], actions: ['read', 'update'] },
      { ...set, tables: ['products'], actions: ['read'] },
      ...limited,
    ]);
    const none = { create: false, read: false, update: false, delete: false };
    const full = {
      permissions: {
        isAdmin: false,
        tables: {
          invoices: { ...none, create: true },
          orders: { ...none, read: true, update: true },
          products: { ...none, read: true },
        },
      },
      authorization_details: [
        { type: 'table_access', locations, identifier: 'invoices', actions: ['create'] },
        { type: 'table_access', locations, identifier: 'orders', actions: ['read', 'update'] },
        { type: 'table_access', locations, identifier: 'products', actions: ['read'] },
        ...limited,
      ],
    };
    const told = await server.introspect(json.access_token, 'both');
    for (const { permissions, authorization_details } of [json, told]) {
      assert.deepEqual({ permissions, authorization_details }, full);
    }
  });

  test('a resource chooses the claims of its JWTs, not what introspection says', async () => {
    const [both, short, grouped] = await Promise.all(
      ['both', 'short', 'grouped'].map(async (name) => {
        const { access_token: token } = (await server.token(name)).json;
        return { claims: decodeJwt(token), told: await server.introspect(token, name) };
      }),
    );
    assert.deepEqual(short?.claims.permissions, both?.claims.permissions);
    assert.equal(short?.claims.authorization_details, undefined);
    assert.equal(grouped?.claims.permissions, undefined);
    assert.equal((grouped?.claims.authorization_details as object[] | undefined)?.length, 5);
    for (const each of [short, grouped]) {
      assert.deepEqual(each?.told.permissions, both?.told.permissions);
      assert.equal(each?.told.authorization_details.length, 5);
    }
  });

  test('a changed choice of claims holds for the next token', async () => {
    const { changes, storage } = server.server.foundations;
    const find = async () =>
      (await storage.directory.resources.page({ limit: 100 })).items.find(({ name }) => name === 'both');
    const before = await find();
    assert.ok(before);
    const claimsOf = async () => {
      const { permissions, authorization_details: details } = decodeJwt(
        (await server.token('both')).json.access_token,
      );
      return [permissions !== undefined, details !== undefined];
    };
    assert.deepEqual(await claimsOf(), [true, true]);
    const token = { ...before.token, claims: ['permissions' as const] };
    const changed = await changes.resources.replace({ ...before, token }, { actor: 'test' });
    assert.deepEqual(await claimsOf(), [true, false]);
    await changes.resources.replace({ ...changed, token: before.token }, { actor: 'test' });
  });

  test('200 tables with ids of 16 characters and four action sets fit a JWT', async () => {
    const { json } = await server.token('wide');
    const { authorization_details: details } = decodeJwt(json.access_token);
    assert.equal((details as object[]).length, 4);
    const size = Buffer.from(JSON.stringify(details)).toString('base64url').length;
    assert.ok(size < 6144, `${size}`);
    const header = `Authorization: Bearer ${json.access_token}`;
    assert.ok(header.length < HEADER, `${header.length}`);
    assert.equal(Object.keys(json.permissions.tables).length, 200);
  });

  test('a group of 5,000 tables gives an opaque token, * a JWT', async () => {
    const { json } = await server.token('archive');
    assert.match(json.access_token, /^gat_/);
    assert.equal(Object.keys(json.permissions.tables).length, MANY.length);
    const told = await server.introspect(json.access_token, 'archive');
    assert.equal(told.authorization_details.length, MANY.length);
    const all = (await server.token('everything')).json;
    assert.deepEqual(decodeJwt(all.access_token).permissions, { tables: { '*': { read: true } } });
  });

  test('where a reference is not wanted, the refusal says what to ask for', async () => {
    const { status, json } = await server.token('strict');
    assert.equal(status, 400);
    assert.equal(json.error, 'invalid_authorization_details');
    assert.match(
      json.error_description,
      /Ask for fewer tables by name, or for \* if you may have every table/,
    );
    const some = await server.token('strict', { scope: 'archive_1:read archive_2:read' });
    assert.equal(some.status, 200);
    assert.equal(some.json.scope, 'archive_1:read archive_2:read');
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { SystemRequestRefused, type SystemTokenRequest } from '../../src/index.ts';
import { crmDatasource, writeCrm } from '../support/crm.ts';
import { PASSWORD, startServer, type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';

const AM = { authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } };
const AM_DB = {
  authTokenType: 'AM_DB',
  authTokenAMDB: {
    instance: 'crm',
    database: 'main',
    collection: 'customers',
    usernameColumn: 'email',
    passwordColumn: 'password',
    u: 'eve@acme.example',
    p: 'right',
  },
};

async function start(face: object = {}): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'grantable-'));
  writeCrm(dataDir, 'right');
  return startServer({
    dataDir,
    fixture(fixture) {
      const [acme] = fixture.organizations;
      acme.applications[0].grants.push('database_user');
      acme.faces = { apiMaker: { application: 'shop', ...face } };
      acme.datasources = [crmDatasource('shop')];
    },
  });
}

interface Envelope {
  readonly status: number;
  readonly text: string;
  readonly json: {
    readonly success: boolean;
    readonly statusCode: number;
    readonly data?: { readonly token: string; readonly refresh_token: string; readonly expires_in: number };
    readonly errors?: readonly {
      readonly message: string;
      readonly field?: string;
      readonly type?: string;
    }[];
  };
}

async function ask(
  server: TestServer,
  body: unknown,
  headers: Record<string, string> = {},
  path = '/api/system-api/acme/token',
): Promise<Envelope> {
  const response = await fetch(server.issuer + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, json: text === '' ? {} : JSON.parse(text) };
}

describe('API Maker', () => {
  let server: TestServer;
  before(async () => {
    server = await start();
  });
  after(() => server[Symbol.asyncDispose]());

  const dataOf = ({ status, json, text }: Envelope) => {
    assert.equal(status, 200, text);
    assert.deepEqual([json.success, json.statusCode], [true, 200]);
    assert.ok(json.data);
    return json.data;
  };

  test('the name of an unknown member is told back quoted and cut', async () => {
    const name = '-eyJgit'.repeat(9_000);
    const bodies = [
      { ...AM, [name]: 1 },
      { authTokenType: 'AM', authTokenAM: { ...AM.authTokenAM, [name]: 1 } },
    ];
    for (const body of bodies) {
      const { status, text } = await ask(server, body);
      assert.equal(status, 400);
      assert.match(text, /\\".*\.\.\.\\" is unknown/);
      assert.ok(text.length < 600, text);
    }
  });

  test('the documented requests get the documented answers', async () => {
    for (const [request, username, tables] of [
      [AM, 'ann', { orders: 'cru', products: 'r' }],
      [AM_DB, 'eve@acme.example', { orders: 'r' }],
    ] as const) {
      const answer = await ask(server, request);
      const data = dataOf(answer);
      assert.deepEqual(Object.keys(answer.json), ['success', 'statusCode', 'data']);
      assert.deepEqual(Object.keys(data), ['token', 'refresh_token', 'expires_in']);
      assert.equal(data.expires_in, 10_800);
      for (const jwt of [data.token, data.refresh_token]) assert.equal(jwt.split('.').length, 3);
      const { exp, iat } = decodeJwt(data.token);
      assert.equal(Number(exp) - Number(iat), 10_800);
      const seen = await server.introspect(data.token);
      assert.deepEqual([seen.active, seen.username, seen.client_id], [true, username, 'acme.apiMaker']);
      assert.deepEqual(tablesOf(seen), tables);
      assert.equal((await server.post('/oauth/revoke', 'shop', { token: data.token })).status, 200);
      assert.equal((await server.introspect(data.token)).active, false);
    }
    assert.equal(dataOf(await ask(server, AM, {}, '/api/system-api/acme/token?=null')).expires_in, 10_800);
  });

  test('table stands for collection, and other registered names have no effect', async () => {
    const { collection: table, ...rest } = AM_DB.authTokenAMDB;
    dataOf(await ask(server, { authTokenType: 'AM_DB', authTokenAMDB: { ...rest, table } }));
    dataOf(
      await ask(server, {
        authTokenType: 'AM_DB',
        authTokenAMDB: {
          ...AM_DB.authTokenAMDB,
          passwordChangedAtColumn: 'x',
          groupsColumn: 'y',
          select: 'z',
        },
      }),
    );
    const shorter = dataOf(
      await ask(server, { ...AM, authTokenAM: { ...AM.authTokenAM, expiresInSeconds: 60 } }),
    );
    assert.equal(shorter.expires_in, 60);
    const longer = dataOf(
      await ask(server, { ...AM, authTokenAM: { ...AM.authTokenAM, expiresInSeconds: 1e9 } }),
    );
    assert.equal(longer.expires_in, 10_800);
  });

  test('the same URL renews once for each refresh token', async () => {
    const [user, row] = [dataOf(await ask(server, AM)), dataOf(await ask(server, AM_DB))];
    const renew = (type: 'AM' | 'AM_DB', token: string) =>
      ask(server, {
        authTokenType: type,
        [type === 'AM' ? 'authTokenAM' : 'authTokenAMDB']: { refresh_token: token },
      });
    const { alg } = decodeProtectedHeader(row.refresh_token);
    assert.equal(alg, 'HS256');
    const told = decodeJwt(row.refresh_token);
    const request = JSON.parse(String(told.__amDBRequestData));
    assert.deepEqual(
      [request.instance, request.collection, request.u],
      ['crm', 'customers', 'eve@acme.example'],
    );
    assert.ok(!JSON.stringify(told).includes('right'), 'no password');
    for (const [type, token] of [
      ['AM', row.refresh_token],
      ['AM_DB', user.refresh_token],
      ['AM', tampered(user.refresh_token)],
      ['AM', user.token],
      ['AM', 'x'],
      ['AM', String(decodeJwt(user.refresh_token).jti)],
    ] as const) {
      const refused = await renew(type, token);
      assert.deepEqual([refused.status, refused.json.success], [401, false]);
    }
    const renewed = dataOf(await renew('AM', user.refresh_token));
    assert.equal((await server.introspect(renewed.token)).username, 'ann');
    const again = dataOf(await renew('AM_DB', row.refresh_token));
    assert.equal(decodeJwt(again.refresh_token).__amDBRequestData, told.__amDBRequestData);
    server.clock.offset += 10_000;
    assert.equal((await renew('AM', user.refresh_token)).status, 401, 'used before');
    assert.equal((await server.introspect(renewed.token)).active, false, 'the login has ended');
    server.clock.offset = 0;
  });

  test('a renewal for a row reads it again, waits for its database and ends with it', async () => {
    await using world = await start();
    const login = dataOf(await ask(world, AM_DB));
    const renew = (token: string) =>
      ask(world, { authTokenType: 'AM_DB', authTokenAMDB: { refresh_token: token } });
    using crm = new DatabaseSync(join(world.dataDir, 'datasources', 'crm.db'));

    crm.exec('ALTER TABLE customers RENAME TO moved');
    const [asked, renewed] = [await ask(world, AM_DB), await renew(login.refresh_token)];
    assert.deepEqual([asked.status, renewed.status], [503, 503]);
    crm.exec('ALTER TABLE moved RENAME TO customers');

    crm.exec("UPDATE customers SET email = 'eva@acme.example' WHERE email = 'eve@acme.example'");
    const again = dataOf(await renew(login.refresh_token));
    assert.equal((await world.introspect(again.token)).username, 'eva@acme.example');

    crm.exec('DELETE FROM customers');
    assert.equal((await renew(again.refresh_token)).status, 401);
    assert.equal((await world.introspect(again.token)).active, false);
  });

  test('LG-04 a wrong login is one 401, and a bad request a 400 with its field', async () => {
    const texts = new Set<string>();
    for (const body of [
      { ...AM, authTokenAM: { u: 'ann', p: 'wrong' } },
      { ...AM, authTokenAM: { u: 'nobody', p: PASSWORD } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, p: 'wrong' } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, u: 'nobody' } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, instance: 'other' } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, database: 'temp' } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, collection: 'sqlite_master' } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, passwordColumn: 'email' } },
      { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, usernameColumn: 'password' } },
    ]) {
      const { status, json, text } = await ask(server, body);
      assert.deepEqual([status, json.success, json.statusCode], [401, false, 401], text);
      texts.add(text);
    }
    assert.equal(texts.size, 1, 'told alike');
    for (const [body, field] of [
      [{}, 'authTokenType'],
      [[], 'authTokenType'],
      ['null', 'authTokenType'],
      [{ ...AM, authTokenType: 'GOOGLE' }, 'authTokenType'],
      [{ ...AM, authTokenType: ['AM'] }, 'authTokenType'],
      [{ authTokenType: 'AM' }, 'authTokenAM'],
      [{ authTokenType: 'AM_DB' }, 'authTokenAMDB'],
      [{ ...AM, ...AM_DB, authTokenType: 'AM' }, 'authTokenAMDB'],
      [{ ...AM, authTokenAM: { u: 'ann' } }, 'authTokenAM.p'],
      [{ ...AM, authTokenAM: { u: 'ann', p: '' } }, 'authTokenAM.p'],
      [{ ...AM, authTokenAM: { u: { $ne: null }, p: PASSWORD } }, 'authTokenAM.u'],
      [{ ...AM, authTokenAM: { ...AM.authTokenAM, isAdmin: true } }, 'authTokenAM.isAdmin'],
      [{ ...AM, scope: 'x' }, 'scope'],
      [{ ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, u: ['x'] } }, 'authTokenAMDB.u'],
      [{ ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, p: { $gt: '' } } }, 'authTokenAMDB.p'],
      [{ ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, p: 1 } }, 'authTokenAMDB.p'],
      [
        { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, condition: { id: 1 } } },
        'authTokenAMDB.condition',
      ],
      [
        { ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, collection: undefined } },
        'authTokenAMDB.collection',
      ],
      [{ ...AM_DB, authTokenAMDB: { ...AM_DB.authTokenAMDB, table: 'other' } }, 'authTokenAMDB.collection'],
    ] as const) {
      const { status, json, text } = await ask(server, body);
      assert.deepEqual([status, json.statusCode], [400, 400], text);
      assert.deepEqual([json.errors?.[0]?.field, json.errors?.[0]?.type], [field, 'required'], text);
    }
    for (const body of ['{', '{"__proto__":{}}', 'x'.repeat(100)]) {
      const { status, json } = await ask(server, body);
      assert.deepEqual([status, json.success], [400, false]);
    }
    assert.equal((await ask(server, 'x'.repeat(100_000))).status, 413);
  });

  test('LG-07 guesses count for the account whichever door they came through', async () => {
    await using small = await start();
    for (let guess = 0; guess < 10; guess += 1) {
      assert.equal((await ask(small, { ...AM, authTokenAM: { u: 'ann', p: 'wrong' } })).status, 401);
    }
    const native = await small.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assert.equal(native.status, 429);
    const refused = await ask(small, AM);
    assert.deepEqual([refused.status, refused.json.success], [429, false]);
  });

  test('LG-09 DB-12 only the exact path of an enabled organization is found', async () => {
    for (const path of [
      '/api/system-api/other/token',
      '/api/system-api/nobody/token',
      '/api/system-api/ACME/token',
      '/api/system-api/acme/token/',
      '/api/system-api/acme/Token',
      '/api/system-api/acme%2Ftoken',
      '/api/system-api//token',
      '/api/system-api/acme/x/token',
    ]) {
      assert.equal((await ask(server, AM, {}, path)).status, 404, path);
    }
    await using off = await start({ enabled: false });
    assert.equal((await ask(off, AM)).status, 404);
    const get = await fetch(`${server.issuer}/api/system-api/acme/token`);
    assert.equal(get.status, 404);
  });

  test('a lifetime that is not a number of seconds is refused as such', async () => {
    for (const expiresInSeconds of ['60', 0, 1.5, null]) {
      const { status, json } = await ask(server, {
        ...AM,
        authTokenAM: { ...AM.authTokenAM, expiresInSeconds },
      });
      assert.deepEqual([status, json.errors?.[0]?.field], [400, 'authTokenAM.expiresInSeconds']);
      assert.match(String(json.errors?.[0]?.message), /must be a whole number of seconds, at least 1$/);
    }
  });

  test('an organization that requires tokens gives one only to a caller with one', async () => {
    await using guarded = await start({ authTokenInfo: [{ authTokenType: 'AM_DB', instance: 'crm' }] });
    const open = (request: object) => guarded.server.system.getToken(request as never, 'acme');
    const [user, row] = [(await open(AM)).token, (await open(AM_DB)).token];
    const machine = (await guarded.token('machine')).json.access_token;
    const login = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const native = (await guarded.token('shop', login)).json.access_token;
    assert.ok(native);
    for (const [headers, header] of [
      [{}, 'x-am-authorization'],
      [{ 'x-am-secret': 'anything' }, 'x-am-authorization'],
      [{ 'x-am-authorization': 'x' }, 'x-am-authorization'],
      [{ 'x-am-authorization': `Bearer ${user}` }, 'x-am-authorization'],
      [{ 'x-am-authorization': tampered(user) }, 'x-am-authorization'],
      [{ 'x-am-authorization': row }, 'x-am-authorization'],
      [{ 'x-am-authorization': machine }, 'x-am-authorization'],
      [{ 'x-am-authorization': native }, 'x-am-authorization'],
      [{ 'x-am-authorization': user }, 'x-am-user-authorization'],
      [{ 'x-am-authorization': user, 'x-am-user-authorization': user }, 'x-am-user-authorization'],
    ] as const) {
      const { status, json } = await ask(guarded, AM, headers as Record<string, string>);
      assert.equal(status, 401);
      assert.ok(json.errors?.[0]?.message.includes(`Authorization header '${header}' is not valid`));
    }
    const both = { 'x-am-authorization': user, 'x-am-user-authorization': row };
    dataOf(await ask(guarded, AM, both));
    guarded.clock.offset += 10_801_000;
    assert.equal((await ask(guarded, AM, both)).status, 401, 'expired');
    guarded.clock.offset = 0;
    await using elsewhere = await start({ authTokenInfo: [{ authTokenType: 'AM_DB', instance: 'another' }] });
    const tokens = await elsewhere.server.system.getToken([AM, AM_DB] as SystemTokenRequest[], 'acme');
    const refused = await ask(elsewhere, AM, {
      'x-am-authorization': String(tokens[0]?.token),
      'x-am-user-authorization': String(tokens[1]?.token),
    });
    assert.equal(refused.status, 401);
    await using empty = await start({ authTokenInfo: [] });
    dataOf(await ask(empty, AM));
  });

  test('a program that embeds the server asks in process', async () => {
    const { system } = server.server;
    const one = await system.getToken(AM as SystemTokenRequest, 'acme');
    assert.deepEqual(Object.keys(one), ['token', 'refresh_token', 'expires_in']);
    const [first, second] = await system.getToken([AM_DB, AM] as SystemTokenRequest[], 'acme');
    assert.equal((await server.introspect(String(first?.token))).username, 'eve@acme.example');
    assert.equal((await server.introspect(String(second?.token))).username, 'ann');
    await assert.rejects(
      system.getToken({ ...AM, authTokenAM: { u: 'ann', p: 'wrong' } } as never, 'acme'),
      (error) => error instanceof SystemRequestRefused && error.statusCode === 401,
    );
    await assert.rejects(system.getToken(AM as SystemTokenRequest, 'other'), SystemRequestRefused);
  });

  test('its lifetimes are those that the operator gives', async () => {
    await using own = await start({ ttl: 600, refreshTtl: 3_600 });
    const data = dataOf(await ask(own, AM));
    assert.equal(data.expires_in, 600);
    own.clock.offset = 3_601_000;
    const late = await ask(own, { authTokenType: 'AM', authTokenAM: { refresh_token: data.refresh_token } });
    assert.equal(late.status, 401);
  });
});

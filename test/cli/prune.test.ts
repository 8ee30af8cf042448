/** `apply --prune` beside a running server, over each store. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createTrader } from '../support/exchange.ts';
import { mongoMissing, startMongo } from '../support/mongodb.ts';
import { childEnv } from '../support/programs.ts';
import {
  FIXTURE,
  OPAQUE_RESOURCE,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
  tablesOf,
} from '../support/server.ts';
import { until } from '../support/until.ts';
import { MAIN, runBeside } from './run.ts';

const PORTAL = {
  name: 'portal',
  clientId: 'portal',
  clientSecret: 'secret-of-portal-'.padEnd(40, 'x'),
  grants: ['password'],
  resource: RESOURCE,
  permissions: { isAdmin: true, tables: {} },
};

/** The fixture, with what the second file leaves out. */
function whole(fixture: any): void {
  const [acme] = fixture.organizations;
  const [shop] = acme.applications;
  shop.grants.push('token_exchange');
  acme.roles.push({
    name: 'stock',
    resource: RESOURCE,
    permissions: { tables: { products: { read: true } } },
  });
  acme.users.push({ username: 'dan', password: PASSWORD, application: 'shop', roles: ['reader', 'stock'] });
  acme.applications.push(PORTAL);
  acme.users.push({ username: 'cid', password: PASSWORD, application: 'portal', roles: ['clerk'] });
  acme.connections = [
    { name: 'site', application: 'shop', permissions: { tables: { orders: { read: true } } } },
  ];
  acme.faces = { fusio: { application: 'portal', registration: true } };
}

/** What a second file says: less. */
function less(fixture: any): object {
  const [acme] = fixture.organizations;
  const without =
    (...names: string[]) =>
    (each: { name?: string; username?: string }) =>
      !names.includes(each.username ?? (each.name as string));
  const [shop, , ...applications] = acme.applications.filter(without('portal'));
  return {
    organizations: [
      {
        name: 'acme',
        resources: acme.resources.slice(0, 1),
        roles: acme.roles.filter(without('stock')),
        applications: [
          { ...shop, resources: {} },
          ...applications.map((each: any) =>
            each.introspects ? { ...each, introspects: [RESOURCE] } : each,
          ),
        ],
        users: [
          ...acme.users.filter(without('bob', 'dan', 'cid')),
          { username: 'dan', password: PASSWORD, application: 'shop' },
        ],
        connections: [],
        faces: { fusio: { application: 'shop' } },
      },
    ],
  };
}

async function openServer(t: TestContext, env: Record<string, string>) {
  const server = await startServer({ env, fixture: whole });
  t.after(() => server[Symbol.asyncDispose]());
  const run = async (content: object, ...options: string[]) => {
    await writeFile(join(server.dataDir, 'less.json'), `${JSON.stringify(content)}\n`);
    return runBeside(server, ['apply', 'less.json', ...options]);
  };
  return { server, run };
}

function fixtureOf(): object {
  const fixture = structuredClone(FIXTURE);
  whole(fixture);
  return fixture;
}

/** The token of the connection, as the file of generated secrets has it. */
async function connectionToken({ dataDir }: TestServer): Promise<string> {
  const text = await readFile(join(dataDir, 'generated-secrets.txt'), 'utf8');
  return /gct_\S+/.exec(text)?.[0] ?? '';
}

const register = (server: TestServer, name: string) =>
  fetch(`${server.issuer}/consumer/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, email: `${name}@acme.example`, password: 'foobar!123' }),
  });

async function core(t: TestContext, env: Record<string, string>): Promise<void> {
  const { server, run } = await openServer(t, env);
  const trader = createTrader(server);
  const connection = await connectionToken(server);
  const tokens = {
    user: await trader.login('shop', 'bob'),
    userOfApplication: await trader.login('portal', 'cid'),
    application: (await server.token('machine')).json.access_token,
    resource: (await server.token('shop', { resource: OPAQUE_RESOURCE })).json.access_token,
    connection: (await trader.exchange('shop', connection)).json.access_token,
    role: await trader.login('shop', 'dan'),
    left: await trader.login('shop', 'ann'),
  };
  for (const [name, token] of Object.entries(tokens)) {
    assert.equal((await server.introspect(token)).active, true, name);
  }
  const { code, out, err } = await run(less(fixtureOf()), '--prune');
  assert.equal(code, 0, err);
  assert.match(out, /^- application acme\/machine$/m);
  assert.match(out, /^0 added, \d changed, 7 removed, /m);
  for (const [name, token] of Object.entries(tokens)) {
    const { active } = await server.introspect(token);
    assert.equal(active, name === 'left' || name === 'role', name);
  }
  assert.deepEqual(tablesOf(await server.introspect(tokens.role)), { orders: 'r' });
  assert.equal((await trader.exchange('shop', connection)).status, 400);
  assert.equal((await server.token('machine')).status, 401);
  const again = await run(less(fixtureOf()), '--prune');
  assert.match(again.out, /^0 added, 0 changed, \d+ left as they are$/m);
}

describe('apply --prune beside a running server', () => {
  test('tokens of what is pruned are dead or narrowed at the next introspection', (t) => core(t, {}));

  test('the same over MongoDB', { skip: mongoMissing() }, async (t) => {
    const mongo = await startMongo();
    t.after(() => mongo[Symbol.asyncDispose]());
    await core(t, { GRANTABLE_STORAGE: mongo.newUrl() });
  });

  test('people who registered through a face keep their application', async (t) => {
    const { server, run } = await openServer(t, {});
    assert.equal((await register(server, 'eve-lyn')).status, 200);
    const { directory } = server.server.foundations.storage;
    const registered = (await directory.users.page({ limit: 100 })).items.find(
      ({ username }) => username === 'eve-lyn',
    );
    assert.equal(registered?.managedBy, 'face');
    const revision = await directory.revision();
    const { code, out, err } = await run(less(fixtureOf()), '--prune');
    assert.equal(code, 1, out);
    assert.match(
      err,
      /application acme\/portal is left out .* needed by user acme\/portal\/eve-lyn: list it/,
    );
    assert.equal(await directory.revision(), revision, 'nothing was written');
  });

  test('pruning that was killed is brought to its end by pruning again', async (t) => {
    const { server, run } = await openServer(t, {});
    const [acme] = structuredClone(FIXTURE).organizations;
    const applications = Array.from({ length: 40 }, (_, index) => ({ name: `app-${index}` }));
    assert.equal((await run({ organizations: [{ name: acme?.name, applications }] })).code, 0);
    const { directory } = server.server.foundations.storage;
    const namesIn = async () =>
      (await directory.applications.page({ limit: 200 })).items.map(({ name }) => name).sort();
    const before = await namesIn();

    const file = less(fixtureOf());
    await writeFile(join(server.dataDir, 'less.json'), `${JSON.stringify(file)}\n`);
    const { storage } = server.server.foundations.config;
    const env = {
      ...childEnv,
      GRANTABLE_DATA_DIR: server.dataDir,
      GRANTABLE_ISSUER: server.issuer,
      ...(storage.kind === 'mongodb' && { GRANTABLE_STORAGE: storage.url }),
    };
    const child = spawn(process.execPath, [MAIN, 'apply', 'less.json', '--prune'], {
      cwd: server.dataDir,
      env,
    });
    const ended = once(child, 'close');
    await until('an application is removed', async () => (await namesIn()).length < before.length);
    child.kill('SIGKILL');
    await ended;
    const between = await namesIn();

    const { code, err } = await run(file, '--prune');
    assert.equal(code, 0, err);
    const left = ['other-api', 'other-shop', 'other-web', 'shop', 'shop-api', 'spa', 'web', 'admin'].sort();
    assert.deepEqual(await namesIn(), left);
    t.diagnostic(`killed with ${between.length - left.length} of ${before.length - left.length} to go`);
    assert.match((await run(file, '--prune')).out, /^0 added, 0 changed, \d+ left as they are$/m);
  });

  test('a start with a file never prunes', async (t) => {
    const { server } = await openServer(t, {});
    await writeFile(join(server.dataDir, 'apply.json'), `${JSON.stringify(less(fixtureOf()))}\n`);
    await server.restart();
    const { directory } = server.server.foundations.storage;
    const names = (await directory.applications.page({ limit: 100 })).items.map(({ name }) => name);
    assert.ok(names.includes('portal') && names.includes('machine'), names.join());
  });
});

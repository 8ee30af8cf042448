/** `grantable guard follow` between a server that is really started and a PostgreSQL that is guarded, as a role that may do little. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import { decodeJwt } from 'jose';
import { takeStep } from '../../src/guard/feed-tables.ts';
import { openTerminal, start } from '../cli/run.ts';
import { freePort } from '../support/free-port.ts';
import { createGate } from '../support/gate.ts';
import { pgbouncerMissing, startPgbouncer } from '../support/pgbouncer.ts';
import { postgresMissing } from '../support/postgres.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { type GuardedWorld, startGuarded } from './world.ts';

const TABLES = 'CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1);';
const FOLLOWER = 'only-two-tables';
const FOLLOWER_ROLE = `CREATE ROLE follower LOGIN PASSWORD '${FOLLOWER}';
  GRANT SELECT, INSERT, UPDATE, DELETE ON grantable.ended, grantable.feed TO follower`;
/** A node that no feed speaks of: it is gone once the list was replaced. */
const MARKER = `INSERT INTO grantable.ended VALUES ('marker', 1, NULL, NULL, 9999999999)`;
const AUTHOR = { actor: 'test' };

interface Follower {
  said(): string;
  /** What it wrote to stderr. */
  complaints(): string;
  stop(): Promise<number>;
}

describe('a guarded database that follows the revocation feed', { skip: postgresMissing() }, () => {
  let server: TestServer;
  let world: GuardedWorld;
  let gatePort: number;
  let gate: ReturnType<typeof createGate>;
  const followers: Follower[] = [];

  before(async () => {
    gatePort = await freePort();
    server = await startServer({
      env: { GRANTABLE_HOSTS: `localhost:${gatePort}` },
      fixture(fixture) {
        const [shop] = fixture.organizations[0].applications;
        shop.grants.push('token_exchange');
      },
    });
    gate = createGate(Number(new URL(server.issuer).port));
    await gate.open(gatePort);
    world = await startGuarded({ tables: TABLES, declared: [{ id: 'orders', name: 'orders' }] });
    await world.migrate({ issuer: server.issuer, resource: RESOURCE });
    await world.owner.query(FOLLOWER_ROLE);
  });
  after(async () => {
    await gate.close();
    await server[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await Promise.all(followers.splice(0).map((each) => each.stop()));
    await world.server.run('DELETE FROM grantable.feed; DELETE FROM grantable.ended');
  });

  const dsn = (role = 'follower', database = 'crm') =>
    `postgres://${role}@127.0.0.1:${world.server.port}/${database}`;
  const argumentsOf = (options: Record<string, string> = {}) => [
    ...['guard', 'follow'],
    ...Object.entries({
      dsn: dsn(),
      issuer: server.issuer,
      resource: RESOURCE,
      'client-id': 'shop-api',
      'back-channel': `http://localhost:${gatePort}`,
      ...options,
    }).flatMap(([name, value]) => [`--${name}`, value]),
  ];

  /** In this process; its secret comes from stdin. */
  async function follow(
    t: TestContext,
    options: Record<string, string> = {},
    secret = server.secretOf('shop-api'),
  ): Promise<Follower> {
    const terminal = await openTerminal(t);
    const { promise: stopRequested, resolve } = Promise.withResolvers<void>();
    const [out, err]: [string[], string[]] = [[], []];
    const running = terminal.run(argumentsOf(options), {
      input: `${secret}\n`,
      env: { ...terminal.env, PGPASSWORD: FOLLOWER },
      stdout: { write: (text) => out.push(text) },
      stderr: { write: (text) => err.push(text) },
      stopRequested: () => stopRequested,
    });
    const follower = {
      said: () => out.join(''),
      complaints: () => err.join(''),
      async stop() {
        resolve();
        return (await running).code;
      },
    };
    followers.push(follower);
    return follower;
  }
  const isChecked = (follower: Follower) =>
    until('the database knows all', () => /knows all/.test(follower.said()));

  const sees = async (token: string): Promise<boolean> =>
    (await world.as(decodeJwt(token), 'SELECT FROM orders')).rowCount === 1;
  const becomes = (isSeen: boolean, token: string) =>
    until(isSeen ? 'rows are seen' : 'nothing is seen', async () => (await sees(token)) === isSeen);
  const has = async (condition: string): Promise<boolean> =>
    (await world.server.run(`SELECT FROM grantable.ended WHERE ${condition}`)).length > 0;
  const machine = async (): Promise<string> => (await server.token('machine')).json.access_token;
  const revoke = (token: string, client = 'machine') => server.post('/oauth/revoke', client, { token });
  async function login(): Promise<string> {
    const { json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    return json.access_token;
  }

  it('checks tokens from its first whole list on, and stops when told', async (t) => {
    const [revoked, kept] = [await machine(), await machine()];
    await revoke(revoked);
    assert.equal(await sees(revoked), true, 'nothing follows');
    const follower = await follow(t);
    await isChecked(follower);
    assert.equal(await sees(revoked), false);
    assert.equal(await sees(kept), true);
    assert.match(follower.said(), /gives nothing while nothing is heard for longer than 30 s/);
    assert.equal(await follower.stop(), 0);
    assert.equal(follower.complaints(), '');
    assert.equal(await sees(revoked), false);

    const terminal = await openTerminal(t, { PGPASSWORD: FOLLOWER });
    const stop = ['guard', 'follow', '--dsn', dsn(), '--stop-checking'];
    const stopped = await terminal.run(stop);
    assert.match(stopped.out, /^The database does not check .* heard \d+ s ago: /);
    assert.equal(await sees(revoked), true);
    assert.match((await terminal.run(stop)).out, /did not check/);
  });

  it('gives nothing once a token is revoked', async (t) => {
    await isChecked(await follow(t));
    const token = await machine();
    assert.equal(await sees(token), true);
    await revoke(token);
    await becomes(false, token);
    assert.equal(await sees(await machine()), true);
  });

  it('gives nothing to a token below one that was revoked', async (t) => {
    await isChecked(await follow(t));
    const parent = (await server.token('shop')).json.access_token;
    const { json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: parent,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    assert.equal(await sees(json.access_token), true);
    await revoke(parent, 'shop');
    await becomes(false, json.access_token);
  });

  it('gives nothing to tokens from before a role was narrowed, and rows to new ones', async (t) => {
    await isChecked(await follow(t));
    const { changes, storage } = server.server.foundations;
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    const ann = await storage.directory.users.findBy('username', `${shop?.realm}/ann`);
    const reader = await storage.directory.roles.findBy('name', `${shop?.organization}/reader`);
    assert.ok(ann && reader);
    const token = await login();
    assert.equal(await sees(token), true);
    await changes.users.replace({ ...ann, roles: [reader.id] }, AUTHOR);
    await becomes(false, token);
    await until('a new token sees rows', async () => sees(await login()));
    assert.equal(await sees(token), false);
  });

  it('gives nothing while the feed is silent, and rows again when it is back', async (t) => {
    const follower = await follow(t);
    await isChecked(follower);
    const token = await machine();
    await gate.close();
    await until('it is told', () => follower.complaints().includes('/oauth/revocations: '));
    assert.equal(await sees(token), true, 'not silent for long');
    await world.owner.query(`UPDATE grantable.feed SET heard_at = heard_at - interval '1 minute'`);
    assert.equal(await sees(token), false);
    await gate.open(gatePort);
    await becomes(true, token);
  });

  it('goes on from the stored cursor, and removes rows that are past', async (t) => {
    const first = await follow(t);
    await isChecked(first);
    await first.stop();
    const token = await machine();
    await revoke(token);
    await world.owner.query(MARKER);
    await world.owner.query(`INSERT INTO grantable.ended VALUES ('past', 1, NULL, NULL, 1)`);
    await isChecked(await follow(t));
    assert.equal(await sees(token), false);
    assert.equal(await has(`node = 'marker'`), true);
    assert.equal(await has(`node = 'past'`), false);
  });

  const restarts = {
    'the feed starts again': `UPDATE grantable.feed SET cursor = '900000000000'`,
    'the cursor is that of another issuer': `UPDATE grantable.feed SET issuer = 'https://other.example'`,
  };
  for (const [name, change] of Object.entries(restarts)) {
    it(`replaces all that it has when ${name}`, async (t) => {
      const token = await machine();
      await revoke(token);
      const first = await follow(t);
      await isChecked(first);
      await first.stop();
      await world.owner.query(`${MARKER}; ${change}`);
      await isChecked(await follow(t));
      assert.equal(await has(`node = 'marker'`), false);
      assert.equal(await sees(token), false);
      assert.equal(await sees(await machine()), true);
    });
  }

  it('takes a list of many pages', async (t) => {
    const { nodes } = server.server.foundations.storage;
    const mark = (round: number) =>
      Promise.all(
        Array.from({ length: 1_500 }, (_, index) =>
          nodes.mark(`many-${round}-${index}`, { revokedAt: Date.now() }, Date.now() + 3_600_000, {}),
        ),
      );
    const count = async () =>
      (await world.server.run(`SELECT FROM grantable.ended WHERE node LIKE 'many-%'`)).length;
    await mark(1);
    const first = await follow(t);
    await isChecked(first);
    assert.equal(await count(), 1_500);
    await first.stop();
    await mark(2);
    await isChecked(await follow(t));
    assert.equal(await count(), 3_000);
  });

  it('counts the feed as heard only when no page is missing', async (t) => {
    const follower = await follow(t);
    await isChecked(follower);
    await follower.stop();
    const state = async () => (await world.owner.query('SELECT * FROM grantable.feed')).rows[0];
    const before = await state();
    const source = { issuer: server.issuer, resource: RESOURCE };
    const nodes = [{ id: 'more', revoked_at: 1, exp: 9_999_999_999 }];
    const step = { from: before.cursor, to: '900', nodes, replaces: false };
    assert.equal(await takeStep(world.owner, source, step), '900');
    assert.deepEqual(await state(), { ...before, cursor: '900' });
    assert.equal(await has(`node = 'more'`), true);
    const late = { ...step, to: '901', nodes: [{ id: 'late', exp: 9_999_999_999 }] };
    assert.equal(await takeStep(world.owner, source, late), '900', 'another was faster');
    assert.equal(await has(`node = 'late'`), false);
  });

  it('goes through PgBouncer', { skip: pgbouncerMissing() }, async (t) => {
    const login = { username: 'follower', password: FOLLOWER };
    await using pooler = await startPgbouncer(world.server.port, login, 1);
    const follower = await follow(t, { dsn: `postgres://follower@127.0.0.1:${pooler.port}/crm` });
    await isChecked(follower);
    const token = await machine();
    await revoke(token);
    await becomes(false, token);
    assert.equal(await follower.stop(), 0);
    assert.equal(follower.complaints(), '');
  });

  it('may run twice', async (t) => {
    const both = await Promise.all([follow(t), follow(t)]);
    for (let count = 0; count < 5; count += 1) {
      const token = await machine();
      await revoke(token);
      await until('the first knew', async () => has(`node = '${decodeJwt(token).jti}'`));
    }
    const [first, second] = both;
    await first.stop();
    await isChecked(second);
    const token = await machine();
    await revoke(token);
    await becomes(false, token);
    assert.deepEqual(
      both.map((each) => each.complaints()),
      ['', ''],
    );
  });

  const complaints: Record<
    string,
    [options: () => Record<string, string>, secret: string | undefined, RegExp]
  > = {
    'a wrong secret': [
      () => ({}),
      'wrong',
      /^http:\S+\/oauth\/revocations: the feed was answered with 401: Client authentication failed\. Trying/,
    ],
    'an application that may not hear of the resource': [
      () => ({ 'client-id': 'other-api' }),
      'other-api',
      /does not speak of https:\/\/api\.acme\.example\/: the application must list it in introspects/,
    ],
    'another resource': [
      () => ({ resource: 'https://x.example/' }),
      undefined,
      /^The database guards https:\/\/api\.acme\.example\/ of http:\S+: follow that/,
    ],
    'a database without a guard': [
      () => ({ dsn: dsn('follower', 'postgres') }),
      undefined,
      /^The database has no guard: run the migration/,
    ],
    'a role without rights': [
      () => ({ dsn: dsn('owner').replace('owner@', 'reader:reader-of-the-crm@') }),
      undefined,
      /^The role of the database needs SELECT, .* on grantable\.ended and grantable\.feed: permission denied/,
    ],
    'a wrong password': [
      () => ({ dsn: dsn().replace('@', ':wrong@') }),
      undefined,
      /^The database does not answer: 28P01: /,
    ],
  };
  for (const [name, [options, client, message]] of Object.entries(complaints)) {
    it(`tells ${name}, and goes on trying`, async (t) => {
      const secret = client === undefined || client === 'wrong' ? client : server.secretOf(client);
      const follower = await follow(t, options(), secret);
      await until('it is told', () => follower.complaints() !== '');
      assert.match(follower.complaints(), message);
      assert.equal(await follower.stop(), 0);
      assert.equal((await world.owner.query('SELECT FROM grantable.feed')).rowCount, 0);
    });
  }

  it('ends at once when the process is told to', async (t) => {
    const terminal = await openTerminal(t);
    const env = { PGPASSWORD: FOLLOWER, GRANTABLE_CLIENT_SECRET: server.secretOf('shop-api') };
    const { child, ended, said } = start(terminal, argumentsOf({ 'max-silence': '3600' }), env);
    t.after(() => child.kill('SIGKILL'));
    while (!said().includes('knows all')) await once(child.stdout, 'data');
    child.kill('SIGTERM');
    assert.deepEqual(await ended, { code: 0, signal: null });
  });

  it('refuses arguments that make no sense', async (t) => {
    const terminal = await openTerminal(t);
    const wrong: [Record<string, string>, RegExp][] = [
      [{ dsn: '' }, /--dsn is missing/],
      [{ dsn: 'mysql://x/y' }, /such as postgres:/],
      [{ issuer: 'id.example' }, /--issuer must be a URL such as .*, and not id\.example/],
      [{ 'max-silence': '2' }, /--max-silence must be 3 to 3600 seconds, and not 2/],
    ];
    for (const [options, message] of wrong) {
      const { code, err } = await terminal.run(argumentsOf(options));
      assert.notEqual(code, 0);
      assert.match(err, message);
    }
    assert.match((await terminal.run(argumentsOf())).err, /There is no secret: set GRANTABLE_CLIENT_SECRET/);
  });

  it('goes on when PostgreSQL was restarted under it', async (t) => {
    const token = await machine();
    const follower = await follow(t);
    await isChecked(follower);
    await world.server.restart();
    await revoke(token);
    await until('it is written', () => has(`node = '${decodeJwt(token).jti}'`));
    assert.match(follower.complaints(), /Trying again\.\n/);
  });
});

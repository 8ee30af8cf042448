import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import mongoose from 'mongoose';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { createNodeId, handleKey } from '../../src/registry/token-values.ts';
import type { Storage, TokenRow } from '../../src/storage/contract.ts';
import { ask, createChildServer } from '../faults/child-server.ts';
import { startMongo } from '../support/mongodb.ts';

const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;
const EXPIRED = FIGURES ? 1_000_000 : 10_000;
const LIVE = EXPIRED / 10;
/** Introspections in one measurement. */
const ASKED = 400;

/** A store that a server is started on, looked at from beside it. */
interface Beside {
  /** `GRANTABLE_STORAGE` */
  readonly url: string;
  open(): Promise<Storage>;
  countExpired(): Promise<number>;
}

async function fill(beside: Beside): Promise<Buffer[]> {
  const storage = await beside.open();
  const now = Date.now();
  const row = (id: string, expiresAt: number): TokenRow => ({
    id,
    format: 'opaque',
    grantType: 'client_credentials',
    subject: 'client:1',
    organization: 'o',
    application: 'a',
    clientId: 'c',
    scope: '',
    permissions: { isAdmin: false, tables: [{ table: 'orders', actions: 'cru' }] },
    ancestors: ['o', 'a'],
    asOf: now,
    issuedAt: now,
    expiresAt,
  });
  const live: Buffer[] = [];
  for (let made = 0; made < EXPIRED + LIVE; made += 1_000) {
    await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => {
        const id = createNodeId();
        const key = handleKey('jwt', id);
        const isLive = (made + index) % 11 === 0;
        if (isLive) live.push(key);
        return storage.tokens.insert(key, row(id, isLive ? now + 3_600_000 : now - 60_000));
      }),
    );
  }
  await storage.close();
  return live;
}

/** Milliseconds that 99 of 100 introspections take at most, asked one after the other on four connections. */
async function measure(issuer: string, token: string): Promise<number> {
  const times: number[] = [];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let asked = 0; asked < ASKED / 4; asked += 1) {
        const began = performance.now();
        const answer = await ask(issuer, '/oauth/introspect', 'shop-api', { token });
        times.push(performance.now() - began);
        assert.equal(answer?.json.active, true);
      }
    }),
  );
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function clearAway(t: TestContext, beside: Beside): Promise<void> {
  const live = await fill(beside);
  const total = await beside.countExpired();
  await using server = await createChildServer({ env: { GRANTABLE_STORAGE: beside.url } });
  await server.start();
  const { json } =
    (await ask(server.issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' })) ?? {};
  const before: number[] = [];
  const during: number[] = [];
  // The first sweep comes seconds after the start.
  while ((await beside.countExpired()) === total)
    before.push(await measure(server.issuer, json?.access_token));
  for (let rest = await beside.countExpired(); rest > 0; rest = await beside.countExpired()) {
    during.push(await measure(server.issuer, json?.access_token));
  }
  const rise = median(during) / median(before);
  t.diagnostic(
    `p99 of introspection ${median(before).toFixed(1)} ms before, ${median(during).toFixed(1)} ms while ${total} rows went`,
  );
  // What else the machine does is in both; a fifth more is the mark where it does nothing else.
  if (FIGURES) assert.ok(rise < 2, `p99 rose by ${rise.toFixed(2)}`);

  assert.equal(await server.stop(), 0);
  const storage = await beside.open();
  for (const key of live) assert.ok(await storage.tokens.find(key, Date.now()), 'a live row went');
  await storage.close();
}

const CLEARED = `E8 ${EXPIRED} expired rows go under load, and no living row`;

test(`${CLEARED}, on SQLite`, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-clean-up-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'grantable.db');
  await clearAway(t, {
    url: `sqlite:${path}`,
    open: () => openSqliteStorage({ path }),
    async countExpired() {
      const database = new DatabaseSync(path, { readOnly: true });
      const row = database
        .prepare('SELECT count(*) AS count FROM tokens WHERE expires_at <= ?')
        .get(Date.now());
      database.close();
      return Number(row?.count);
    },
  });
});

const skip = process.env.MONGODB_URI
  ? false
  : 'set MONGODB_URI to a real server: the in-memory one scans where only an index that is not unique helps';

test(`${CLEARED}, on MongoDB`, { skip }, async (t) => {
  await using mongo = await startMongo();
  const url = mongo.newUrl();
  const beside = await mongoose.createConnection(url).asPromise();
  t.after(() => beside.close());
  await clearAway(t, {
    url,
    open: () => openMongooseStorage({ url }),
    countExpired: () =>
      beside.collection('tokens').countDocuments({ expiresAt: { $lte: new Date() } }, { hint: 'expiry' }),
  });
});

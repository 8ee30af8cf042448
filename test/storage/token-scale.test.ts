/**
 * A store with many living tokens: what they are made, asked and ended for costs as much as with few. At full scale the
 * processor time of the server is compared; in the short form only what it answers.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { APPLY, clientOf, OPAQUE_RESOURCE } from '../../bench/directory.ts';
import { ask, measure, median, type Target } from '../../bench/load.ts';
import { type BenchServer, startGrantable } from '../../bench/processes.ts';

const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;
const SIZES = FIGURES ? [1_000, 100_000, 1_000_000, 10_000_000] : [1_000, 100_000];
const BATCH = 50_000;
const ASKED = FIGURES ? 2_000 : 50;
const ROUNDS = FIGURES ? 7 : 1;
/** Requests of one measurement. */
const AMOUNT = FIGURES ? 8_000 : 200;
/** Processor time with ten million tokens / with a thousand, at most: the indexes have two more levels. */
const MOST = 1.3;

/** Without people, whose passwords take a while to hash. */
const MACHINES = {
  organizations: APPLY.organizations.map((organization) => ({ ...organization, users: [] })),
};

/** Copies of one token under keys of their own, which no request names. */
async function fill({ env }: BenchServer, size: number): Promise<void> {
  const database = new DatabaseSync(join(String(env.GRANTABLE_DATA_DIR), 'grantable.db'), {
    timeout: 10_000,
  });
  const count = () => Number(database.prepare('SELECT count(*) AS count FROM tokens').get()?.count);
  const columns = 'expires_at, shared, application, user, connection, parent, document';
  const copy = database.prepare(`
    WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < ?),
      one AS (SELECT ${columns} FROM tokens LIMIT 1)
    INSERT INTO tokens (key, ${columns})
    SELECT randomblob(16), expires_at + n, shared, application, user, connection, parent, document FROM copies, one`);
  for (let there = count(); there < size; there += BATCH) {
    copy.run(Math.min(BATCH, size - there));
    // The server ends idle connections meanwhile, and the next request must not be sent on one of them.
    await nextTurn();
  }
  assert.ok(count() >= size);
  database.close();
}

interface Costs {
  readonly made: number;
  readonly asked: number;
  readonly revoked: number;
}

async function costsAt(size: number): Promise<Costs> {
  const server = await startGrantable(MACHINES);
  try {
    const to = (path: string, client: string) => ({
      url: `${server.url}/oauth/${path}`,
      ...clientOf(client),
    });
    const make: Target = {
      ...to('token', 'machine'),
      form: { grant_type: 'client_credentials', resource: OPAQUE_RESOURCE },
    };
    const tokens = [(await ask(make)).access_token ?? ''];
    await fill(server, size);
    while (tokens.length < ASKED) tokens.push((await ask(make)).access_token ?? '');
    let next = 0;
    const form = () => ({ token: tokens[next++ % tokens.length] ?? '' });
    const introspect: Target = { ...to('introspect', 'api'), form };
    const revoke: Target = { ...to('revoke', 'machine'), form };
    const cost = async (target: Target): Promise<number> => {
      const costs: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        costs.push((await measure(server, target, { amount: AMOUNT })).cpu);
      }
      return median(costs);
    };
    const costs = { made: await cost(make), asked: await cost(introspect), revoked: await cost(revoke) };
    for (const token of tokens.slice(0, 20)) {
      const { active } = await ask({ ...introspect, form: { token } });
      assert.equal(String(active), 'false');
    }
    return costs;
  } finally {
    await server.stop();
    await rm(String(server.env.GRANTABLE_DATA_DIR), { recursive: true });
  }
}

test('with many living tokens in the store, a request costs as much as with few', async (t) => {
  const all: Costs[] = [];
  for (const size of SIZES) {
    const costs = await costsAt(size);
    all.push(costs);
    const told = Object.entries(costs).map(([what, cost]) => `${what} ${cost.toFixed(0)} µs`);
    t.diagnostic(`${size} tokens: ${told.join(', ')}`);
  }
  if (!FIGURES) return;
  const [few, many] = [all[0], all.at(-1)] as [Costs, Costs];
  for (const what of ['made', 'asked', 'revoked'] as const) {
    const ratio = many[what] / few[what];
    assert.ok(ratio < MOST, `${what}: ${ratio.toFixed(2)} of the processor time`);
  }
});

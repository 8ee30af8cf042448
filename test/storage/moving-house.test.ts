import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { ask, createChildServer } from '../faults/child-server.ts';
import { createCode } from '../faults/codes.ts';
import { freePort } from '../support/free-port.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { childEnv } from '../support/programs.ts';
import { OPAQUE_RESOURCE, PASSWORD, REDIRECT_URI } from '../support/server.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.js');
const run = promisify(execFile);

/** The order of members means nothing, and each store has its own. */
function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Without the head, which names the moment. */
async function linesOf(path: string): Promise<string[]> {
  const [, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.stringify(JSON.parse(line), inOrder)).sort();
}

describe('moving house', { skip: mongoMissing() }, () => {
  let mongo: MongoServer;
  before(async () => {
    mongo = await startMongo();
  });
  after(() => mongo[Symbol.asyncDispose]());

  test('all data moves from SQLite to MongoDB and back, and tokens work on', async () => {
    const port = await freePort();
    await using old = await createChildServer({ port });
    const { issuer, dataDir } = old;
    const file = (name: string): string => join(dataDir, name);
    const stores = {
      sqlite: {},
      mongodb: { GRANTABLE_STORAGE: mongo.newUrl() },
      back: { GRANTABLE_STORAGE: `sqlite:${file('back.db')}` },
    };
    const command = (env: Record<string, string>, ...args: string[]) =>
      run(process.execPath, [MAIN, ...args], {
        env: { ...childEnv, GRANTABLE_DATA_DIR: dataDir, GRANTABLE_ISSUER: issuer, ...env },
      });
    const token = async (form: Record<string, string>, client = 'machine') => {
      const answer = await ask(issuer, '/oauth/token', client, form);
      assert.equal(answer?.status, 200, JSON.stringify(answer?.json));
      return answer.json;
    };
    const isActive = async (value: string) =>
      (await ask(issuer, '/oauth/introspect', 'shop-api', { token: value }))?.json.active;
    const refused = async (form: Record<string, string>, client: string) =>
      assert.equal((await ask(issuer, '/oauth/token', client, form))?.json.error, 'invalid_grant');

    await old.start();
    const cc = { grant_type: 'client_credentials' };
    const living = [
      (await token(cc)).access_token,
      (await token({ ...cc, resource: OPAQUE_RESOURCE })).access_token,
    ];
    const dead = (await token(cc)).access_token;
    await ask(issuer, '/oauth/revoke', 'machine', { token: dead });
    const login = await token({ grant_type: 'password', username: 'ann', password: PASSWORD }, 'shop');
    living.push(login.access_token);
    let refresh: string = login.refresh_token;
    const code = await createCode(issuer);
    const redemption = {
      grant_type: 'authorization_code',
      code: code.value,
      code_verifier: code.verifier,
      redirect_uri: REDIRECT_URI,
    };
    await token(redemption, 'web');

    /** What was before holds, and something is added. */
    async function check(): Promise<void> {
      for (const value of living) assert.equal(await isActive(value), true);
      assert.equal(await isActive(dead), false, 'what was revoked stays so');
      const next = await token({ grant_type: 'refresh_token', refresh_token: refresh }, 'shop');
      living.push(next.access_token);
      refresh = next.refresh_token;
      await refused(redemption, 'web');
    }
    await check();
    assert.equal(await old.stop(), 0);

    await command(stores.sqlite, 'export', '--out', file('1.jsonl'));
    await command(stores.mongodb, 'import', file('1.jsonl'));
    await command(stores.mongodb, 'export', '--out', file('2.jsonl'));
    assert.deepEqual(await linesOf(file('2.jsonl')), await linesOf(file('1.jsonl')));
    const { stdout } = await command(stores.mongodb, 'doctor');
    assert.match(stdout, /^ok {7}The store is whole\.$/m);

    await using there = await createChildServer({ dataDir, port, env: stores.mongodb });
    await there.start();
    await check();
    assert.equal(await there.stop(), 0);

    await command(stores.mongodb, 'export', '--out', file('3.jsonl'));
    await command(stores.back, 'import', file('3.jsonl'));
    await command(stores.back, 'export', '--out', file('4.jsonl'));
    assert.deepEqual(await linesOf(file('4.jsonl')), await linesOf(file('3.jsonl')));
    const text = await readFile(file('3.jsonl'), 'utf8');
    for (const secret of [...living, refresh, dead, PASSWORD]) {
      assert.ok(!text.includes(secret), 'SE-01 no usable secret travels');
    }

    await using back = await createChildServer({ dataDir, port, env: stores.back });
    await back.start();
    await check();
  });
});

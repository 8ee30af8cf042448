import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqliteStorage } from '../../../adapters/storage/sqlite/index.ts';
import { loadApplyFile } from '../../../src/apply/file.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createServer } from '../../../src/server.ts';
import { type Counters, StoreUnavailable } from '../../../src/storage/contract.ts';
import { createLostAnswers } from '../../../src/tokens/grants/lost-answers.ts';
import { freePort } from '../../support/free-port.ts';
import { basic, FIXTURE, PASSWORD } from '../../support/server.ts';
import { until } from '../../support/until.ts';

test('a lost answer is told to the other processes once the store takes it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-'));
  const storage = await openSqliteStorage({ path: join(folder, 'a.db') });
  t.after(async () => {
    await storage.close();
    await rm(folder, { recursive: true });
  });
  let clock = Date.now();
  let failures = 2;
  const counters: Counters = {
    ...storage.counters,
    async set(...args) {
      failures -= 1;
      if (failures >= 0) throw new StoreUnavailable('away');
      return storage.counters.set(...args);
    },
  };
  const here = createLostAnswers({ counters, now: () => clock });
  const there = createLostAnswers({ counters: storage.counters, now: () => clock });
  here.remember('refresh x');
  assert.equal(await here.has('refresh x'), true, 'at once where it happened');
  assert.equal(await there.has('refresh x'), false);
  await until('the other process is told', () => there.has('refresh x'));
  assert.equal(await there.has('refresh y'), false);
  clock += 61_000;
  assert.equal(await there.has('refresh x'), false);
});

test('RT-02 a refresh that failed with the store may be retried after the grace', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-'));
  await writeFile(join(folder, 'apply.json'), JSON.stringify(FIXTURE));
  const clock = { offset: 0 };
  const port = await freePort();
  const server = await createServer(
    loadConfig(
      {
        GRANTABLE_DATA_DIR: folder,
        GRANTABLE_PORT: String(port),
        GRANTABLE_APPLY: join(folder, 'apply.json'),
        GRANTABLE_BCRYPT_COST: '4',
        GRANTABLE_LOG_LEVEL: 'silent',
      },
      { cwd: folder, readApplyFile: loadApplyFile },
    ),
    { now: () => Date.now() + clock.offset },
  );
  t.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  const send = async (form: Record<string, string>) => {
    const response = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: basic('shop', 'secret-of-shop-'.padEnd(40, 'x')) },
      body: new URLSearchParams(form),
    });
    return { status: response.status, json: (await response.json()) as Record<string, string> };
  };
  const refresh = (token = '') => send({ grant_type: 'refresh_token', refresh_token: token });
  const { tokens } = server.foundations.storage;
  const { insert } = tokens;
  /** The login is moved on, and the row of the new token is not. */
  const whileTokensFail = async <T>(work: () => Promise<T>): Promise<T> => {
    Object.assign(tokens, {
      insert: async () => {
        throw new StoreUnavailable('away');
      },
    });
    try {
      return await work();
    } finally {
      Object.assign(tokens, { insert });
    }
  };

  const login = await send({ grant_type: 'password', username: 'ann', password: PASSWORD });
  const first = login.json.refresh_token;
  assert.equal((await whileTokensFail(() => refresh(first))).status, 503);
  clock.offset += 20_000;
  const again = await refresh(first);
  assert.equal(again.status, 200, JSON.stringify(again.json));
  const second = again.json.refresh_token;

  const next = await refresh(second);
  assert.equal(next.status, 200);
  clock.offset += 20_000;
  assert.notEqual((await whileTokensFail(() => refresh(second))).status, 200);
  assert.equal((await refresh(second)).status, 400, 'used long ago: reuse is reuse');
  assert.equal((await refresh(next.json.refresh_token)).status, 400, 'and has ended the login');
});

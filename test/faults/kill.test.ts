import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { ask, createChildServer } from './child-server.ts';
import { createCode } from './codes.ts';
import { checkHistory, createHistory, load, promisesOf } from './history.ts';

const CYCLES = Number(process.env.GRANTABLE_TEST_CYCLES ?? (process.env.GRANTABLE_TEST_LONG ? 50 : 3));
const WORKERS = 8;
/** Promises that are made before a kill, at most. */
const MADE_BEFORE = 60;

test(`E1 a server killed ${CYCLES} times keeps every promise`, async (t) => {
  await using server = await createChildServer();
  await server.start();
  let work = 0;
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const codes = [await createCode(server.issuer), await createCode(server.issuer)];
    const history = createHistory();
    const loading = load(server.issuer, history, codes, { workers: WORKERS });
    const enough = 5 + Math.random() * MADE_BEFORE;
    await until('it is in the middle of its work', () => promisesOf(history) >= enough);
    await server.kill();
    await loading;
    work += promisesOf(history);
    await server.start();
    await checkHistory(server.issuer, history);
  }
  assert.ok(work > CYCLES * 5, `there was work to interrupt: ${work}`);
  assert.equal(await server.stop(), 0);
  const database = new DatabaseSync(join(server.dataDir, 'grantable.db'));
  assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
  database.close();
  t.diagnostic(`${work} promises over ${CYCLES} kills`);
});

test('E16 asked to stop under load, the server cuts no request and ends with 0', async () => {
  await using server = await createChildServer();
  await server.start();
  let answered = 0;
  const cut: string[] = [];
  let stopping = false;
  const clients = Array.from({ length: 8 }, async () => {
    for (;;) {
      const beganBefore = !stopping;
      const answer = await ask(server.issuer, '/oauth/token', 'machine', {
        grant_type: 'client_credentials',
      });
      if (answer?.status === 200) answered += 1;
      else if (beganBefore && !stopping) cut.push(JSON.stringify(answer));
      if (!answer) return;
    }
  });
  await until('the load is under way', () => answered > 50);
  stopping = true;
  const code = await server.stop();
  await Promise.all(clients);
  assert.equal(code, 0);
  assert.deepEqual(cut, []);
  assert.ok(answered > 50, String(answered));
});

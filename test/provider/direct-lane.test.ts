/**
 * Random requests get the same answers, headers, log lines and rows from the direct lane as from Koa alone. One seed and 150
 * requests; with `GRANTABLE_TEST_FIGURES` three seeds and 20,000 requests in all. `differential.test.ts` compares the
 * lane with the engine's chain in the same way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDifferential } from './differential/run.ts';

const { GRANTABLE_TEST_FIGURES, GRANTABLE_TEST_STORAGE } = process.env;
const SEEDS = GRANTABLE_TEST_FIGURES ? [11, 12, 13] : [11];
const REQUESTS = GRANTABLE_TEST_FIGURES ? 6_667 : 150;

// The store makes no difference here, and copies of a database server's are not made in a moment.
const skip = GRANTABLE_TEST_STORAGE === 'mongodb';

for (const seed of SEEDS) {
  test(`seed ${seed}: ${REQUESTS} random requests are answered as by Koa`, {
    skip,
  }, async () => {
    const { findings, seen } = await runDifferential(seed, REQUESTS, 'koa');
    const report = findings
      .slice(0, 10)
      .map(({ kind, times, example }) => `${times} times ${kind}\n${example}`);
    assert.equal(findings.length, 0, `${findings.length} kinds of differences\n\n${report.join('\n\n')}`);
    for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
      assert.ok((seen.get(`${path} 200`) ?? 0) >= REQUESTS / 100, `${path} has enough successes`);
    }
  });
}

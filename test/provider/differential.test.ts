/**
 * Random requests get the same answers, leave the same rows and count the same whether our token endpoint serves them or
 * the engine's own. One seed and 200 requests; with `GRANTABLE_TEST_LONG` three seeds and 20,000 requests each.
 * `GRANTABLE_TEST_SEED` and `GRANTABLE_TEST_REQUESTS` repeat a run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Outcome, runDifferential } from './differential/run.ts';

const { GRANTABLE_TEST_LONG, GRANTABLE_TEST_SEED, GRANTABLE_TEST_REQUESTS, GRANTABLE_TEST_STORAGE } =
  process.env;
const REQUESTS = Number(GRANTABLE_TEST_REQUESTS ?? (GRANTABLE_TEST_LONG ? 20_000 : 200));
const LONG_SEEDS = [1, 2, 3];
const SHORT_SEEDS = [3];
const SEEDS = GRANTABLE_TEST_SEED
  ? [Number(GRANTABLE_TEST_SEED)]
  : GRANTABLE_TEST_LONG
    ? LONG_SEEDS
    : SHORT_SEEDS;
const SHOWN = 10;

/** What has to be among the answers, or the requests test less than they should. */
const SEEN = [
  '/oauth/token 200 client_credentials',
  '/oauth/token 200 password',
  '/oauth/token 200 refresh_token',
  '/oauth/token 200 urn:ietf:params:oauth:grant-type:token-exchange',
  '/oauth/token 400 invalid_authorization_details',
  '/oauth/token 400 invalid_grant',
  '/oauth/token 400 invalid_request',
  '/oauth/token 400 invalid_scope',
  '/oauth/token 400 invalid_target',
  '/oauth/token 400 unauthorized_client',
  '/oauth/token 400 unsupported_grant_type',
  '/oauth/token 401 invalid_client',
  '/oauth/token 429 invalid_request',
  '/oauth/introspect 200',
  '/oauth/introspect 400 invalid_request',
  '/oauth/introspect 401 invalid_client',
  '/oauth/introspect active',
  '/oauth/revoke 200',
  '/oauth/revoke 400 invalid_request',
  '/oauth/revoke 401 invalid_client',
];
const SEEN_IN_MANY = [
  '/oauth/token 200 urn:grantable:grant-type:database-user',
  '/oauth/token 204',
  '/oauth/token 405 invalid_request',
  '/oauth/token 413 invalid_request',
  '/oauth/token 415 invalid_request',
  '/oauth/token 421 misdirected_request',
  '/oauth/introspect 429 invalid_request',
  '/oauth/revoke 429 invalid_request',
];
const MANY = 10_000;
/** Of the requests for tokens. */
const LEAST_SUCCESSES = 0.1;
/** Of all requests: those that are wrong in two ways, of which each side tells another. */
const MOST_EXCUSED = 0.01;

function assertSpread(seen: Outcome['seen']): void {
  const wanted = REQUESTS >= MANY ? [...SEEN, ...SEEN_IN_MANY] : SEEN;
  assert.deepEqual(
    wanted.filter((answer) => !seen.has(answer)),
    [],
    'these answers did not occur',
  );
  const countOf = (pattern: RegExp): number =>
    [...seen].reduce((sum, [answer, count]) => (pattern.test(answer) ? sum + count : sum), 0);
  const successes = countOf(/^\/oauth\/token 200$/);
  const all = successes + countOf(/^\/oauth\/token [^2]/);
  assert.ok(successes >= LEAST_SUCCESSES * all, `${successes} of ${all} requests for tokens got one`);
  assert.equal(countOf(/^\/\S* 5\d\d/), 0, 'no request breaks the server');
}

// The store makes no difference here, and copies of a database server's are not made in a moment.
const skip = GRANTABLE_TEST_STORAGE === 'mongodb';

for (const seed of SEEDS) {
  test(`seed ${seed}: ${REQUESTS} random requests get the answers of the engine`, {
    skip,
  }, async (t) => {
    const { findings, seen, excused } = await runDifferential(seed, REQUESTS);
    const examples = [...Map.groupBy(findings, ({ example }) => example)].map(([example, kinds]) =>
      [...kinds.map(({ kind, times }) => `${times} times ${kind}`), example].join('\n'),
    );
    const report = examples.slice(0, SHOWN).join('\n\n');
    assert.equal(findings.length, 0, `${findings.length} kinds of differences\n\n${report}`);
    t.diagnostic(`${excused} of ${REQUESTS} pairs of answers tell of different faults`);
    assert.ok(excused < MOST_EXCUSED * REQUESTS, `${excused} of ${REQUESTS} pairs are excused`);
    if (REQUESTS >= 200) assertSpread(seen);
  });
}

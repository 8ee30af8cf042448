import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { createRemoteJWKSet, exportJWK, jwtVerify, SignJWT } from 'jose';
import { STORE, storageForTests } from '../support/mongodb.ts';
import { childEnv } from '../support/programs.ts';
import { OPAQUE_RESOURCE, PASSWORD, REDIRECT_URI, RESOURCE } from '../support/server.ts';
import { until } from '../support/until.ts';
import { ask, type ChildServer, createChildServers } from './child-server.ts';
import { createCode } from './codes.ts';
import { RETRIED_WITHIN_MS } from './history.ts';
import { heatCaches } from './stale-answers.ts';

const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 100 : 3;
const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;
const REVOCATIONS = FIGURES ? 1_000 : 12;
const PROCESSES = STORE === 'MongoDB' || FIGURES ? 4 : 2;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.js');
const run = promisify(execFile);

describe(`${PROCESSES} server processes on one store, ${STORE}`, () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let servers: ChildServer[];
  let storage: Record<string, string>;
  let first: ChildServer;
  let second: ChildServer;
  before(async () => {
    storage = await storageForTests();
    servers = await createChildServers(PROCESSES, storage);
    [first, second] = servers as [ChildServer, ChildServer];
    const file = join(first.dataDir, 'apply.json');
    const fixture = JSON.parse(await readFile(file, 'utf8'));
    const machine = fixture.organizations[0].applications.find(({ name }: any) => name === 'machine');
    const { clientSecret: _, ...rest } = machine;
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    fixture.organizations[0].applications.push({
      ...rest,
      name: 'keyed',
      clientId: 'keyed',
      authMethod: 'private_key_jwt',
      jwks: { keys: [jwk] },
    });
    await writeFile(file, JSON.stringify(fixture));
    for (const server of servers) await server.start();
  });
  after(async () => {
    for (const server of servers.toReversed()) await server[Symbol.asyncDispose]();
  });

  const either = (index: number): string => (servers[index % PROCESSES] as ChildServer).issuer;
  const inParallel = <T>(work: (issuer: string) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: 50 }, (_, index) => work(either(index))));

  test('of 50 parallel continuations of one posted request exactly one succeeds', async () => {
    const body = new URLSearchParams({ client_id: 'web', response_type: 'code', redirect_uri: REDIRECT_URI });
    const posted = await fetch(`${first.issuer}/oauth/authorize`, {
      method: 'POST',
      redirect: 'manual',
      body,
    });
    const cookie = posted.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const location = posted.headers.get('location') ?? '';
    // Pages are served under the issuer's host only, which a load balancer would hand on.
    const { host } = new URL(first.issuer);
    const statuses = await inParallel(
      (issuer) =>
        new Promise<number | undefined>((resolve, reject) => {
          get(issuer + location, { headers: { host, cookie } }, (response) => {
            response.resume();
            resolve(response.statusCode);
          }).on('error', reject);
        }),
    );
    const refused = statuses.filter((status) => status === 400);
    assert.equal(refused.length, 49);
  });

  test(`AZ-10 of 50 parallel uses of one code exactly one succeeds, ${ROUNDS} times`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const code = await createCode(first.issuer);
      const answers = await inParallel((issuer) =>
        ask(issuer, '/oauth/token', 'web', {
          grant_type: 'authorization_code',
          code: code.value,
          code_verifier: code.verifier,
          redirect_uri: REDIRECT_URI,
        }),
      );
      assert.equal(answers.filter((answer) => answer?.status === 200).length, 1);
    }
  });

  test(`RT-02 50 parallel refreshes of one token have one successor, ${ROUNDS} times`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const login = await ask(first.issuer, '/oauth/token', 'shop', {
        grant_type: 'password',
        username: 'ann',
        password: PASSWORD,
      });
      const retriedUntil = performance.now() + RETRIED_WITHIN_MS;
      const answers = await inParallel((issuer) =>
        ask(issuer, '/oauth/token', 'shop', {
          grant_type: 'refresh_token',
          refresh_token: login?.json.refresh_token,
        }),
      );
      const successors = new Set(
        answers.filter((answer) => answer?.status === 200).map((answer) => answer?.json.refresh_token),
      );
      assert.equal(successors.size, 1);
      // On a machine that took longer, the last ones were reuse, which ends the login.
      if (performance.now() > retriedUntil) continue;
      const next = await ask(second.issuer, '/oauth/token', 'shop', {
        grant_type: 'refresh_token',
        refresh_token: [...successors][0],
      });
      assert.equal(next?.status, 200);
    }
  });

  test(`TE-08 of 50 parallel uses of one assertion exactly one wins, ${ROUNDS} times`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const assertion = await new SignJWT({
        iss: 'keyed',
        sub: 'keyed',
        aud: first.issuer,
        jti: randomUUID(),
        exp: Math.floor(Date.now() / 1000) + 60,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .sign(privateKey);
      const statuses = await inParallel(async (issuer) => {
        const response = await fetch(`${issuer}/oauth/token`, {
          method: 'POST',
          body: new URLSearchParams({
            grant_type: 'client_credentials',
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: assertion,
          }),
        });
        await response.arrayBuffer();
        return response.status;
      });
      assert.equal(statuses.filter((status) => status === 200).length, 1);
    }
  });

  test('a token revoked through one process is dead in the other at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const token = (await ask(first.issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' }))
        ?.json.access_token;
      const introspect = async () =>
        (await ask(second.issuer, '/oauth/introspect', 'shop-api', { token }))?.json.active;
      assert.equal(await introspect(), true);
      await ask(first.issuer, '/oauth/revoke', 'machine', { token });
      assert.equal(await introspect(), false);
    }
  });

  const publishedKeys = async (issuer: string): Promise<unknown[]> => {
    const { keys } = (await (await fetch(`${issuer}/oauth/jwks`)).json()) as { keys: unknown[] };
    return keys;
  };
  const command = (...args: string[]) =>
    run(process.execPath, [MAIN, ...args], {
      env: {
        ...childEnv,
        GRANTABLE_DATA_DIR: first.dataDir,
        GRANTABLE_ISSUER: first.issuer,
        ...storage,
      },
    });

  test('E6 keys that are rotated twice under load cost no verifier a failure', async () => {
    const keySet = createRemoteJWKSet(new URL(`${first.issuer}/oauth/jwks`), {
      cacheMaxAge: 300_000,
      cooldownDuration: 30_000,
    });
    let verified = 0;
    const failures: string[] = [];
    let running = true;
    const verifying = Array.from({ length: 4 }, async (_, index) => {
      while (running) {
        const token = (
          await ask(either(index), '/oauth/token', 'machine', { grant_type: 'client_credentials' })
        )?.json.access_token;
        await jwtVerify(token, keySet, { issuer: first.issuer, audience: RESOURCE }).then(
          () => {
            verified += 1;
          },
          (error: Error) => failures.push(error.message),
        );
        const answer = await ask(either(index + 1), '/oauth/introspect', 'shop-api', { token });
        if (answer?.json.active !== true) failures.push(`introspection: ${JSON.stringify(answer)}`);
      }
    });
    const untilPublished = async (count: number) => {
      for (const { issuer } of servers) {
        await until(
          `${count} keys are published`,
          async () => (await publishedKeys(issuer)).length === count,
        );
      }
      const before = verified;
      await until('tokens are verified with them', () => verified >= before + 25 || failures.length > 0);
    };
    await command('keys', 'rotate');
    await untilPublished(4);
    await command('keys', 'rotate');
    await untilPublished(6);
    running = false;
    await Promise.all(verifying);
    assert.deepEqual(failures, []);
  });

  test(`${REVOCATIONS} revocations and changes under load leave no stale answer`, async (t) => {
    const caches = await heatCaches(servers.map(({ issuer }) => issuer));
    const applyFile = join(first.dataDir, 'apply.json');
    const file = await readFile(applyFile, 'utf8');
    const narrowed = JSON.parse(file);
    const readOnly = { isAdmin: false, tables: { orders: { read: true } } };
    const machine = narrowed.organizations[0].applications.find(({ name }: any) => name === 'machine');
    Object.assign(machine, { permissions: readOnly, resources: { [OPAQUE_RESOURCE]: readOnly } });
    const narrowedFile = join(first.dataDir, 'narrowed.json');
    await writeFile(narrowedFile, JSON.stringify(narrowed));

    await caches.revoke(REVOCATIONS / 2);
    await caches.requireTables({ orders: 'cru', products: 'r' });
    await command('apply', narrowedFile);
    await caches.requireTables({ orders: 'r' });
    await caches.revoke(REVOCATIONS / 4);
    const keyIds = await Promise.all(servers.map(({ issuer }) => publishedKeys(issuer)));
    await command('keys', 'rotate', '--now');
    // One for each algorithm: a process may have read the keys between the two.
    for (const [index, { issuer }] of servers.entries()) {
      const wanted = (keyIds[index] ?? []).length + 2;
      await until('the new keys are known', async () => (await publishedKeys(issuer)).length === wanted);
    }
    await caches.revoke(REVOCATIONS / 4);
    await command('apply', applyFile);
    await caches.stop();
    assert.deepEqual(caches.stale, []);
    t.diagnostic(`${caches.asked()} answers of ${servers.length} processes`);
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openDatabase } from '../../adapters/storage/sqlite/database.ts';
import { StoreUnavailable } from '../../src/storage/contract.ts';
import { authorizeUrl, createPkce } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { childEnv } from '../support/programs.ts';
import { basic, FIXTURE, PASSWORD, REDIRECT_URI } from '../support/server.ts';
import { until } from '../support/until.ts';
import { type Answer, ask, createChildServer, secretOf } from './child-server.ts';
import { createCode } from './codes.ts';
import { checkHistory, createHistory, type History, load, promisesOf } from './history.ts';
import { mountSmallDisk, runTool, skip } from './small-disk.ts';

const CYCLES = process.env.GRANTABLE_TEST_LONG ? 20 : 2;
/** For all that is written in the meantime too. */
const DISK_MEGABYTES = 48 + 8 * CYCLES;
/** Promises that are made before the disk fails, and after it is mended. */
const MADE = 10;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.js');
const LEAK = /sqlite|disk|errno|node:|ENOSPC|grantable-|\.ts\b/i;

/** The standard body, when to come again, and not a word about our inside. */
function isRefusal({ status, headers, json }: Answer): boolean {
  return (
    status === 503 &&
    json.error === 'temporarily_unavailable' &&
    Object.keys(json).join() === 'error,error_description,request_id' &&
    Number(headers.get('retry-after')) >= 1 &&
    headers.get('cache-control') === 'no-store' &&
    /^application\/json/.test(headers.get('content-type') ?? '') &&
    !LEAK.test(JSON.stringify([json, ...headers]))
  );
}

function assertRefusal(what: string, answer: Answer | undefined): void {
  assert.ok(answer && isRefusal(answer), `${what}: ${answer?.status} ${JSON.stringify(answer?.json)}`);
}

/** What a client may ask of the token and revocation endpoints, each thing of its own. */
async function prepare(issuer: string) {
  const machineToken = async (): Promise<string> =>
    (await ask(issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' }))?.json.access_token;
  const login = await ask(issuer, '/oauth/token', 'shop', {
    grant_type: 'password',
    username: 'bob',
    password: PASSWORD,
  });
  const code = await createCode(issuer);
  const [kept, doomed] = [await machineToken(), await machineToken()];
  const refreshToken: string = login?.json.refresh_token;
  const requests = {
    machine: () => ask(issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' }),
    refresh: () =>
      ask(issuer, '/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: refreshToken }),
    code: () =>
      ask(issuer, '/oauth/token', 'web', {
        grant_type: 'authorization_code',
        code: code.value,
        code_verifier: code.verifier,
        redirect_uri: REDIRECT_URI,
      }),
    revocation: () => ask(issuer, '/oauth/revoke', 'machine', { token: doomed }),
  };
  const password = () =>
    ask(issuer, '/oauth/token', 'shop', { grant_type: 'password', username: 'bob', password: PASSWORD });
  return { kept, doomed, requests, password };
}

async function isActive(issuer: string, token: string): Promise<unknown> {
  return (await ask(issuer, '/oauth/introspect', 'shop-api', { token }))?.json.active;
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
}

/** A person gets a page, and keeps the cookies that he has. */
async function assertPageRefused(issuer: string): Promise<void> {
  for (const prompt of [undefined, 'none']) {
    const parameters = { client_id: 'web', redirect_uri: REDIRECT_URI, scope: 'openid', prompt };
    const response = await fetch(authorizeUrl(issuer, createPkce(), parameters), {
      headers: { accept: 'text/html' },
      redirect: 'manual',
    });
    // A disk that takes no token may take the few bytes of a login that begins.
    if (response.status === 303) continue;
    assert.equal(response.status, 503);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    assert.ok(Number(response.headers.get('retry-after')) >= 1);
    assert.equal(response.headers.get('location'), null);
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.doesNotMatch(await response.text(), LEAK);
  }
}

/** @returns whether the token was revoked: a disk that takes no token may take the few bytes of that */
async function assertUnlistedOriginIsTold(issuer: string, token: string): Promise<boolean> {
  const { headers, status } = await fetch(`${issuer}/oauth/revoke`, {
    method: 'POST',
    headers: { authorization: basic('machine', secretOf('machine')), origin: 'https://evil.example' },
    body: new URLSearchParams({ token }),
  });
  assert.equal(headers.get('access-control-allow-origin'), null, 'an answer is for listed origins only');
  return status === 200;
}

async function untilMore(history: History): Promise<void> {
  const before = promisesOf(history);
  await until('promises are made', () => promisesOf(history) >= before + MADE);
}

/** Under load: what is refused while nothing can be written, what goes on, and that all comes back by itself. */
async function rideOut(issuer: string, breakDown: () => void, mend: () => void): Promise<History> {
  const history = createHistory();
  const codes = [await createCode(issuer), await createCode(issuer)];
  const { kept, doomed, requests, password } = await prepare(issuer);
  let over = false;
  const loading = load(issuer, history, codes, { workers: 4, isOver: () => over, isRefusal });
  try {
    await untilMore(history);
    breakDown();
    let inARow = 0;
    await until('tokens are refused', async () => {
      const answer = await requests.machine();
      if (answer?.status === 200) history.issued.push(answer.json.access_token);
      else assertRefusal('machine', answer);
      inARow = answer?.status === 200 ? 0 : inARow + 1;
      return inARow === 20;
    });
    for (const [what, request] of Object.entries({ ...requests, password })) {
      assertRefusal(what, await request());
    }
    const isRevoked = await assertUnlistedOriginIsTold(issuer, doomed);
    await assertPageRefused(issuer);
    assert.equal(await isActive(issuer, kept), true, 'what is there is still read');
    assert.equal(await isActive(issuer, doomed), !isRevoked, 'what was not written is not in force');
    for (const path of ['/oauth/jwks', '/.well-known/openid-configuration', '/healthz', '/metrics']) {
      assert.equal(await statusOf(issuer + path), 200, path);
    }
    await until('/readyz says so', async () => (await statusOf(`${issuer}/readyz`)) === 503);
    mend();
    await until('tokens are given again', async () => (await requests.machine())?.status === 200);
    await until('/readyz says so', async () => (await statusOf(`${issuer}/readyz`)) === 200);
    await untilMore(history);
  } finally {
    over = true;
    await loading;
  }
  assert.ok(history.refused > 0 && history.issued.length > 0, 'there was work on both sides');
  assert.equal(history.unanswered, 0);
  for (const [what, request] of Object.entries(requests)) {
    assert.equal((await request())?.status, 200, `${what}: what was refused is still good`);
  }
  assert.equal(await isActive(issuer, kept), true);
  assert.equal(await isActive(issuer, doomed), false);
  assert.equal((await requests.code())?.json.error, 'invalid_grant', 'and no code is honoured twice');
  await checkHistory(issuer, history);
  return history;
}

function checkIntegrity(dataDir: string): void {
  const database = new DatabaseSync(join(dataDir, 'grantable.db'));
  assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
  database.close();
}

function summary(histories: readonly History[]): string {
  const sum = (count: (history: History) => number) =>
    histories.reduce((total, history) => total + count(history), 0);
  return `${sum(({ issued }) => issued.length)} tokens given, ${sum(({ refused }) => refused)} requests refused`;
}

const applyFile = (folder: string): void =>
  writeFileSync(join(folder, 'apply.json'), JSON.stringify(FIXTURE));

test(`E3 a disk that fills up ${CYCLES} times costs no promise and no restart`, async (t) => {
  using disk = mountSmallDisk(t, DISK_MEGABYTES);
  if (!disk) return;
  applyFile(disk.path);
  // On the same disk, as it often is: what cannot be logged must not stop an answer.
  const log = join(disk.path, 'log');
  const stdout = openSync(log, 'a');
  await using server = await createChildServer({
    dataDir: disk.path,
    stdout,
    env: { GRANTABLE_LOG_LEVEL: 'info' },
  });
  await server.start();
  const histories: History[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    histories.push(await rideOut(server.issuer, disk.fill, disk.free));
  }
  assert.equal(await server.stop(), 0);
  closeSync(stdout);
  checkIntegrity(disk.path);
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
  // Before that, what the start says to people.
  const ready = lines.findIndex((line) => line.endsWith('"msg":"ready"}'));
  const reasons = lines.slice(ready).map((line) => JSON.parse(line).reason);
  assert.ok(reasons.includes('the disk of the database is full'), 'the log says why');
  t.diagnostic(summary(histories));
});

test('E3 on a full disk the server stops cleanly and starts again to read', async (t) => {
  using disk = mountSmallDisk(t, DISK_MEGABYTES);
  if (!disk) return;
  applyFile(disk.path);
  await using server = await createChildServer({ dataDir: disk.path });
  await server.start();
  const { kept, requests } = await prepare(server.issuer);
  disk.fill();
  await until('tokens are refused', async () => (await requests.machine())?.status === 503);
  assert.equal(await server.stop(), 0);
  // It answers before its store is open, and is not ready while the disk is full.
  await server.start('/healthz');
  await until('tokens are inspected', async () => (await isActive(server.issuer, kept)) !== undefined);
  assert.equal(await isActive(server.issuer, kept), true);
  disk.free();
  for (const [what, request] of Object.entries(requests)) assert.equal((await request())?.status, 200, what);
  assert.equal(await server.stop(), 0);
  checkIntegrity(disk.path);
});

test('E3 files that become read-only cost no promise', async (t) => {
  await using server = await createChildServer();
  await server.start();
  const limit = (value: string): string => runTool('prlimit', `--pid=${server.pid}`, `--fsize=${value}:`);
  let before: string;
  try {
    before = runTool('prlimit', `--pid=${server.pid}`, '--fsize', '--noheadings', '--output=SOFT').trim();
  } catch {
    return skip(t, 'needs the command prlimit: run it on Linux with util-linux installed');
  }
  // Which cannot be had under a server that runs: the kernel remounts nothing that is open for writing.
  const history = await rideOut(
    server.issuer,
    () => limit('0'),
    () => limit(before),
  );
  assert.equal(await server.stop(), 0);
  checkIntegrity(server.dataDir);
  t.diagnostic(summary([history]));
});

test('E3 a server on a read-only volume refuses to start in one sentence', async (t) => {
  using disk = mountSmallDisk(t, DISK_MEGABYTES);
  if (!disk) return;
  applyFile(disk.path);
  await using server = await createChildServer({ dataDir: disk.path });
  await server.start();
  const { kept } = await prepare(server.issuer);
  assert.equal(await server.stop(), 0);
  const look = () =>
    readdirSync(disk.path)
      .sort()
      .map((name) => [name, statSync(join(disk.path, name)).mtimeMs]);
  const before = look();
  disk.remount('ro');
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'serve'], {
    env: {
      ...childEnv,
      GRANTABLE_DATA_DIR: disk.path,
      GRANTABLE_PORT: String(await freePort()),
      GRANTABLE_APPLY: join(disk.path, 'apply.json'),
      GRANTABLE_LOG_LEVEL: 'error',
    },
    encoding: 'utf8',
    timeout: 300_000,
  });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^The database \S+grantable\.db cannot be opened: .*read-only.*\.\n$/);
  assert.deepEqual(look(), before);
  disk.remount('rw');
  await server.start();
  assert.equal(await isActive(server.issuer, kept), true);
});

test('E3 of what is written together, the disk has all or nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-full-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const database = await openDatabase(join(folder, 'a.db'));
  const pragma = (name: string, value = ''): number =>
    Number(Object.values(database.get(`PRAGMA ${name}${value}`) ?? {})[0]);
  // Of several rows: such a statement is undone by itself when the disk is full, and the transaction goes on.
  const write = (key: string, bytes: number) =>
    database.write(() =>
      database.run(
        `INSERT INTO artifacts (key, model, expires_at, payload)
         SELECT ?1, 'm', 1, zeroblob(?2) UNION ALL SELECT ?1 || ?1, 'm', 1, zeroblob(?2)`,
        [key, bytes],
      ),
    );
  const writeTogether = () => Promise.allSettled([write('a', 10), write('b', 100_000), write('c', 10)]);
  const unlimited = pragma('max_page_count');
  pragma('max_page_count', ` = ${pragma('page_count') + 4}`);
  for (const outcome of await writeTogether()) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable);
  }
  assert.deepEqual(database.all('SELECT key FROM artifacts'), []);
  await write('d', 10);
  pragma('max_page_count', ` = ${unlimited}`);
  assert.ok((await writeTogether()).every(({ status }) => status === 'fulfilled'));
  assert.equal(database.all('SELECT key FROM artifacts').length, 8);
  await database.close();
});

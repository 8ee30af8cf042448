import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, type TestContext, test } from 'node:test';
import { guarded } from '../../adapters/storage/mongoose/errors.ts';
import { createRevision, type Heads } from '../../adapters/storage/mongoose/heads.ts';
import { StoreUnavailable } from '../../src/storage/contract.ts';
import { freePort } from '../support/free-port.ts';
import { createGate } from '../support/gate.ts';
import { HELLO, startFront } from '../support/mongo-front.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { childEnv } from '../support/programs.ts';
import { basic, FIXTURE } from '../support/server.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.js');
const SECRET = 'secret-of-machine-'.padEnd(40, 'x');

/** How often the server tries in vain; the driver itself waits two seconds for a database each time. */
const TRIES = process.env.GRANTABLE_TEST_LONG ? 4 : 2;
type Away = 'refuses connections' | 'ends each connection' | 'does not answer';
const WAYS: readonly [Away, workers: number][] = process.env.GRANTABLE_TEST_LONG
  ? (['refuses connections', 'ends each connection', 'does not answer'] as const).flatMap((away) =>
      [1, 2].map((workers): [Away, number] => [away, workers]),
    )
  : [
      ['refuses connections', 1],
      ['ends each connection', 1],
      ['does not answer', 2],
    ];

/** A port behind which there is no database. */
async function beAway(away: Away, port: number): Promise<() => Promise<void>> {
  if (away === 'refuses connections') return async () => undefined;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    if (away === 'ends each connection') socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
}

async function startProcess(t: TestContext, env: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-away-'));
  await writeFile(join(folder, 'apply.json'), JSON.stringify(FIXTURE));
  const port = await freePort();
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    env: {
      ...childEnv,
      GRANTABLE_PORT: String(port),
      GRANTABLE_DATA_DIR: folder,
      GRANTABLE_APPLY: join(folder, 'apply.json'),
      GRANTABLE_BCRYPT_COST: '4',
      GRANTABLE_LOG_LEVEL: 'warn',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true });
  });
  const url = `http://localhost:${port}`;
  const ask = async (path: string, form?: Record<string, string>) => {
    const response = await fetch(url + path, {
      ...(form && {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { authorization: basic('machine', SECRET) },
      }),
    }).catch(() => undefined);
    const text = await response?.text();
    return { status: response?.status, headers: response?.headers, json: text ? JSON.parse(text) : {} };
  };
  const token = () => ask('/oauth/token', { grant_type: 'client_credentials' });
  const untilAnswered = (path: string, status: number) =>
    until(`${path} answers ${status}`, async () => (await ask(path)).status === status);
  return { child, ended, ask, token, untilAnswered, said: () => said };
}

describe('a MongoDB that is away', {
  skip: mongoMissing() || (process.env.MONGODB_URI ? 'a given server cannot be taken away' : false),
  concurrency: true,
}, () => {
  let mongo: MongoServer;
  before(async () => {
    mongo = await startMongo();
  });
  after(() => mongo[Symbol.asyncDispose]());

  for (const [away, workers] of WAYS) {
    test(`E4 one that ${away} is waited for, with ${workers} workers`, async (t) => {
      const gatePort = await freePort();
      const comeBack = await beAway(away, gatePort);
      const { child, ask, token, untilAnswered, said } = await startProcess(t, {
        GRANTABLE_STORAGE: `mongodb://127.0.0.1:${gatePort}${new URL(mongo.newUrl()).pathname}`,
        GRANTABLE_WORKERS: String(workers),
      });
      await untilAnswered('/healthz', 200);
      await until('it has tried in vain', () => said().split('the store is away').length > TRIES);
      assert.equal(child.exitCode, null, 'the server waits');
      const starting = await ask('/readyz');
      assert.equal(starting.status, 503);
      assert.deepEqual(starting.json.missing, ['the store']);
      assert.equal((await token()).status, 503);
      await comeBack();
      const gate = createGate(Number(mongo.port));
      await gate.open(gatePort);
      t.after(() => gate.close());
      await untilAnswered('/readyz', 200);
      assert.equal((await token()).status, 200);
    });
  }

  test('E4 while it is gone answers are 503, and the server goes on by itself', async (t) => {
    const gatePort = await freePort();
    const gate = createGate(Number(mongo.port));
    await gate.open(gatePort);
    const { ask, token, untilAnswered } = await startProcess(t, {
      GRANTABLE_STORAGE: `mongodb://127.0.0.1:${gatePort}${new URL(mongo.newUrl()).pathname}`,
    });
    await untilAnswered('/readyz', 200);
    const { json } = await token();
    assert.ok(json.access_token);

    await gate.close();
    const gone = await token();
    assert.equal(gone.status, 503);
    assert.equal(gone.json.error, 'temporarily_unavailable');
    assert.ok(gone.headers?.get('retry-after'));
    await untilAnswered('/readyz', 503);
    assert.equal((await ask('/healthz')).status, 200);

    await gate.open(gatePort);
    await untilAnswered('/readyz', 200);
    assert.equal((await token()).status, 200);
    assert.equal((await ask('/oauth/introspect', { token: json.access_token })).json.active, true);
    await gate.close();
  });

  test('E4 a server that is asked to stop while it is gone ends with 0', async (t) => {
    const gatePort = await freePort();
    const gate = createGate(Number(mongo.port));
    await gate.open(gatePort);
    const { child, ended, ask, untilAnswered, said } = await startProcess(t, {
      GRANTABLE_STORAGE: `mongodb://127.0.0.1:${gatePort}${new URL(mongo.newUrl()).pathname}`,
    });
    await untilAnswered('/readyz', 200);
    // More than are written one by one: the number of the others is written at the end.
    for (let turn = 0; turn < 12; turn += 1)
      await ask('/oauth/token', { grant_type: 'client_credentials', client_secret: 'wrong' });
    await gate.close();
    await until('something was tried in vain', () => said().includes('could not be'));
    child.kill();
    await ended;
    assert.equal(child.exitCode, 0, said());
    assert.match(said(), /"msg":"stopped, but not all was brought to its end"/);
  });
});

test('E4 an operation that the driver never ends is refused', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const refused = assert.rejects(
    guarded(() => new Promise(() => undefined)),
    StoreUnavailable,
  );
  t.mock.timers.tick(15_000);
  await refused;
});

test('E4 the announcement of a change that the driver never ends is withdrawn', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const key = randomUUID();
  const withdrawn: string[] = [];
  const heads: Pick<Heads, 'announce' | 'withdraw'> = {
    announce: async () => ({ key, value: 1 }),
    withdraw: async (_name, announced) => void withdrawn.push(announced),
  };
  const begun = Promise.withResolvers<void>();
  const refused = assert.rejects(
    createRevision(heads as Heads, 'revision').around(() => {
      begun.resolve();
      return new Promise(() => undefined);
    }),
    StoreUnavailable,
  );
  await begun.promise;
  t.mock.timers.tick(15_000);
  await refused;
  assert.deepEqual(withdrawn, [key]);
});

for (const workers of [1, 2]) {
  test(`a fault that waiting does not mend ends a server of ${workers} workers`, async (t) => {
    await using front = await startFront(() => ({ ...HELLO, maxWireVersion: 6 }));
    const { child, ended } = await startProcess(t, {
      GRANTABLE_STORAGE: `mongodb://127.0.0.1:${front.port}/old`,
      GRANTABLE_WORKERS: String(workers),
    });
    const said = text(child.stderr as Readable);
    assert.equal((await ended)[0], 1);
    assert.match(await said, /^The database does not fit the driver of MongoDB: [^\n]*\n$/);
  });
}

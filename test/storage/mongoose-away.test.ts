import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createGate } from '../support/gate.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { basic, FIXTURE, freePort } from '../support/server.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const SECRET = 'secret-of-machine-'.padEnd(40, 'x');

describe('a MongoDB that is away', {
  skip: mongoMissing() || (process.env.MONGODB_URI ? 'a given server cannot be taken away' : false),
}, () => {
  let mongo: MongoServer;
  before(async () => {
    mongo = await startMongo();
  });
  after(() => mongo[Symbol.asyncDispose]());

  test('E4 the server waits for it, answers 503 while it is gone, and goes on by itself', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'grantable-away-'));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'apply.json'), JSON.stringify(FIXTURE));
    const [port, gatePort] = [await freePort(), await freePort()];
    const gate = createGate(Number(mongo.port));
    const database = new URL(mongo.newUrl()).pathname;
    const child = spawn(process.execPath, [MAIN, 'serve'], {
      env: {
        PATH: process.env.PATH,
        GRANTABLE_PORT: String(port),
        GRANTABLE_DATA_DIR: folder,
        GRANTABLE_APPLY: join(folder, 'apply.json'),
        GRANTABLE_BCRYPT_COST: '4',
        GRANTABLE_LOG_LEVEL: 'silent',
        GRANTABLE_STORAGE: `mongodb://127.0.0.1:${gatePort}${database}`,
      },
      stdio: 'ignore',
    });
    t.after(() => child.kill('SIGKILL'));
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
    const until = async (path: string, status: number) => {
      for (let tries = 0; tries < 300; tries += 1) {
        if ((await ask(path)).status === status) return;
        await wait(50);
      }
      assert.fail(`${path} never answered ${status}`);
    };

    await until('/healthz', 200);
    const starting = await ask('/readyz');
    assert.equal(starting.status, 503);
    assert.deepEqual(starting.json.missing, ['the store']);
    assert.equal((await token()).status, 503);

    await gate.open(gatePort);
    await until('/readyz', 200);
    const { json } = await token();
    assert.ok(json.access_token);

    await gate.close();
    const gone = await token();
    assert.equal(gone.status, 503);
    assert.equal(gone.json.error, 'temporarily_unavailable');
    assert.ok(gone.headers?.get('retry-after'));
    await until('/readyz', 503);
    assert.equal((await ask('/healthz')).status, 200);

    await gate.open(gatePort);
    await until('/readyz', 200);
    assert.equal((await token()).status, 200);
    assert.equal((await ask('/oauth/introspect', { token: json.access_token })).json.active, true);
    await gate.close();
  });
});

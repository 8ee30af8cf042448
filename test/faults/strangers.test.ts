import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { crmDatasource, writeCrm } from '../support/crm.ts';
import { basic, FIXTURE, freePort, PASSWORD } from '../support/server.ts';
import { createChildServer, secretOf } from './child-server.ts';

const SECONDS = process.env.GRANTABLE_TEST_LONG ? 30 : 6;
const STRANGER = '127.0.0.66';
/** Milliseconds between two requests of the honest client. */
const PACE = 25;
/** Milliseconds that two cores, which also run the stranger, this test and others, may add by themselves. */
const NOISE = 150;
const MB = 1024 * 1024;

async function prepare(dataDir: string): Promise<void> {
  writeCrm(dataDir, 'right');
  const fixture: any = structuredClone(FIXTURE);
  const [acme] = fixture.organizations;
  acme.applications.push({
    name: 'public',
    clientId: 'public',
    authMethod: 'none',
    grants: ['password', 'database_user'],
    resource: acme.resources[0].identifier,
  });
  acme.users.push({ username: 'bob', password: PASSWORD, application: 'public' });
  acme.faces = { apiMaker: { application: 'shop' } };
  acme.datasources = [crmDatasource('public')];
  await writeFile(join(dataDir, 'apply.json'), JSON.stringify(fixture));
}

interface Measured {
  /** Milliseconds. */
  readonly p99: number;
  readonly failures: readonly string[];
}

/** Tokens, introspections and a login now and then, on connections of its own. */
async function beHonest(port: number, seconds: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  const failures: string[] = [];
  const ask = async (path: string, client: string, form: Record<string, string>): Promise<string> => {
    const began = performance.now();
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      agent,
      method: 'POST',
      headers: {
        Host: `localhost:${port}`,
        Authorization: basic(client, secretOf(client)),
        'Content-Type': 'application/x-www-form-urlencoded',
      },
    });
    sent.end(new URLSearchParams(form).toString());
    const [answer] = await once(sent, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    times.push(performance.now() - began);
    const text = Buffer.concat(chunks).toString();
    if (answer.statusCode !== 200) failures.push(`${path} ${answer.statusCode} ${text}`);
    return text;
  };
  const end = performance.now() + seconds * 1_000;
  for (let round = 0; performance.now() < end; round += 1) {
    const issued = JSON.parse(await ask('/oauth/token', 'machine', { grant_type: 'client_credentials' }));
    await ask('/oauth/introspect', 'shop-api', { token: issued.access_token });
    if (round % 10 === 0) {
      await ask('/oauth/token', 'shop', { grant_type: 'password', username: 'ann', password: PASSWORD });
    }
    await wait(PACE);
  }
  agent.destroy();
  return { p99: times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * 0.99)] as number, failures };
}

/** Bytes that the store's pages take, those in its log of writes included. */
function sizeOf(dataDir: string): number {
  const store = new DatabaseSync(join(dataDir, 'grantable.db'), { readOnly: true });
  const number = (pragma: string): number =>
    Object.values(store.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] as number;
  const size = number('page_count') * number('page_size');
  store.close();
  return size;
}

/** Bytes of memory that a process has. */
function memoryOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

test('a stranger who does his worst costs others little', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'grantable-strangers-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  await prepare(dataDir);
  const port = await freePort();
  await using server = await createChildServer({ dataDir, port, env: { GRANTABLE_LOG_LEVEL: 'info' } });
  await server.start();
  await beHonest(port, 1);
  for (let round = 1; ; round += 1) {
    const before = await beHonest(port, SECONDS / 2);
    const sizeBefore = sizeOf(dataDir);
    const stranger = fork(join(import.meta.dirname, 'stranger.ts'), [String(port), STRANGER]);
    await once(stranger, 'message');
    const during = await beHonest(port, SECONDS).finally(() => stranger.kill());
    const [grown, memory] = [sizeOf(dataDir) - sizeBefore, memoryOf(server.pid as number)];
    const figures =
      `p99 ${before.p99.toFixed(1)} ms before, ${during.p99.toFixed(1)} ms during; ` +
      `the store grew by ${(grown / MB).toFixed(1)} MB; ${Math.round(memory / MB)} MB of memory`;
    t.diagnostic(figures);
    assert.deepEqual([before.failures, during.failures], [[], []]);
    assert.ok(memory < 500 * MB && grown < 10 * MB, figures);
    if (during.p99 <= 2 * before.p99 + NOISE) return;
    // A machine that is busy may spoil a round; a stranger who gets in the way shows in each.
    assert.ok(round < 3, figures);
  }
});

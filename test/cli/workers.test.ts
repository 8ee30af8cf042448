import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { basic, FIXTURE } from '../support/server.ts';
import { until } from '../support/until.ts';
import { openTerminal, start } from './run.ts';

const SECRET = 'secret-of-machine-'.padEnd(40, 'x');

async function startWorkers(t: TestContext, count: number, env: Record<string, string> = {}) {
  const terminal = await openTerminal(t, {
    GRANTABLE_WORKERS: String(count),
    GRANTABLE_LOG_LEVEL: 'info',
    ...env,
  });
  await writeFile(join(terminal.dataDir, 'apply.json'), JSON.stringify(FIXTURE));
  const server = start(terminal, ['serve']);
  t.after(() => server.child.kill('SIGKILL'));
  const issuer = `http://localhost:${terminal.env.GRANTABLE_PORT}`;
  return { terminal, server, issuer };
}

function workersOf(pid: number | undefined): number[] {
  try {
    const listed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    return listed
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(Number);
  } catch {
    return [];
  }
}

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

async function token(issuer: string): Promise<number | undefined> {
  const response = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: basic('machine', SECRET), connection: 'close' },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  }).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status;
}

/** Its status; undefined if the connection ended without an answer. */
function healthz(issuer: string, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve) => {
    get(`${issuer}/healthz`, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', () => resolve(undefined));
  });
}

test('several workers serve one port, and a killed one is replaced', async (t) => {
  const { server, issuer } = await startWorkers(t, 3, { GRANTABLE_APPLY: 'apply.json' });
  const first = await until('three workers', () => {
    if (!server.said().includes('all workers are ready')) return undefined;
    const pids = workersOf(server.child.pid);
    return pids.length === 3 && pids;
  });
  await until('a token', async () => (await token(issuer)) === 200);
  process.kill(first[0] as number, 'SIGKILL');
  const second = await until('a replacement', () => {
    const pids = workersOf(server.child.pid);
    return pids.length === 3 && !pids.includes(first[0] as number) && pids;
  });
  assert.deepEqual(await Promise.all(Array.from({ length: 12 }, () => token(issuer))), Array(12).fill(200));
  server.child.kill('SIGTERM');
  assert.deepEqual(await server.ended, { code: 0, signal: null }, server.said());
  assert.ok(second.every(isGone), 'no worker stays behind');
});

const LONG = process.env.GRANTABLE_TEST_LONG !== undefined;
const KILLS = LONG ? 20 : 6;

test(`${KILLS} killed workers are replaced, also before they were ready`, async (t) => {
  const COUNT = 3;
  const { server, issuer } = await startWorkers(t, COUNT, { GRANTABLE_APPLY: 'apply.json' });
  await until('three workers', () => server.said().includes('all workers are ready'));
  const killed = new Set<number>();
  for (let kill = 0; kill < KILLS; kill += 1) {
    // Every other time the newest, which is not ready yet.
    const pid = await until('there is one to kill', () => {
      const living = workersOf(server.child.pid).filter((each) => !killed.has(each));
      return living.length === COUNT && living.at(kill % 2 === 0 ? 0 : -1);
    });
    process.kill(pid, 'SIGKILL');
    killed.add(pid);
  }
  const back = await until('all workers', async () => {
    const pids = workersOf(server.child.pid);
    if (pids.length < COUNT || pids.some((pid) => killed.has(pid))) return false;
    const metrics = await fetch(`${issuer}/metrics`, { headers: { connection: 'close' } }).catch(
      () => undefined,
    );
    return (await metrics?.text())?.includes(`grantable_workers ${COUNT}`) && pids;
  });
  assert.equal(back.length, COUNT);
  const pauses = [...server.said().matchAll(/"againAfterMs":(\d+)/g)].map(([, pause]) => Number(pause));
  assert.ok(pauses.length >= KILLS / 2, String(pauses));
  assert.deepEqual(new Set(pauses), new Set([500]));
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('new connections do not wait for a worker that hangs', async (t) => {
  const { server, issuer } = await startWorkers(t, 3, { GRANTABLE_APPLY: 'apply.json' });
  await until('three workers', () => server.said().includes('all workers are ready'));
  const [stopped] = workersOf(server.child.pid);
  process.kill(stopped as number, 'SIGSTOP');
  const answers = await Promise.all(Array.from({ length: 24 }, () => token(issuer)));
  assert.deepEqual(answers, Array(24).fill(200));
  process.kill(stopped as number, 'SIGKILL');
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('a worker that hangs is cut, its connections end, and another takes its place', {
  skip: LONG ? false : 'it takes ten seconds: GRANTABLE_TEST_LONG',
}, async (t) => {
  const { server, issuer } = await startWorkers(t, 2, { GRANTABLE_APPLY: 'apply.json' });
  await until('two workers', () => server.said().includes('all workers are ready'));
  const clients = Array.from({ length: 12 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  t.after(() => {
    for (const client of clients) client.destroy();
  });
  const askAll = () => Promise.all(clients.map((client) => healthz(issuer, client)));
  assert.deepEqual(await askAll(), Array(12).fill(200));
  const [stopped] = workersOf(server.child.pid);
  process.kill(stopped as number, 'SIGSTOP');
  const answers = await askAll();
  assert.ok(answers.includes(undefined), 'some were held by the one that hangs');
  assert.ok(answers.includes(200), 'the other one answers meanwhile');
  assert.ok(server.said().includes('a worker does not answer: it is cut'));
  assert.deepEqual(await askAll(), Array(12).fill(200), 'they come to another one');
  await until('a replacement', () => {
    const pids = workersOf(server.child.pid);
    return pids.length === 2 && !pids.includes(stopped as number) && pids;
  });
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('a scrape of the metrics counts for all workers, whichever it reaches', async (t) => {
  const { server, issuer } = await startWorkers(t, 2, { GRANTABLE_APPLY: 'apply.json' });
  await until('two workers', () => server.said().includes('all workers are ready'));
  for (let made = 0; made < 20; made += 1) assert.equal(await token(issuer), 200);
  for (let scrape = 0; scrape < 6; scrape += 1) {
    const response = await fetch(`${issuer}/metrics`, { headers: { connection: 'close' } });
    const text = await response.text();
    assert.match(text, /^grantable_tokens_issued_total\{grant="client_credentials"\} 20$/m);
    assert.match(text, /^grantable_workers 2$/m);
    assert.match(text, /^process_cpu_seconds_total /m);
  }
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('only one demo is made, however many workers begin on an empty folder', async (t) => {
  const { server, issuer } = await startWorkers(t, 4);
  await until(
    'all workers',
    () => server.said().includes('all workers are ready') && workersOf(server.child.pid).length === 4,
  );
  const secret = /demo-machine:(\S+)/.exec(server.said())?.[1] ?? '';
  for (let tries = 0; tries < 8; tries += 1) {
    const response = await fetch(`${issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: basic('demo-machine', secret), connection: 'close' },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    assert.equal(response.status, 200, await response.text());
  }
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('a fault that keeps the first worker from starting ends all workers', async (t) => {
  const terminal = await openTerminal(t, { GRANTABLE_WORKERS: '2' });
  await mkdir(join(terminal.dataDir, 'grantable.db'));
  const { code, err } = await terminal.spawn(['serve'], {
    GRANTABLE_STORAGE: `sqlite:${join(terminal.dataDir, 'grantable.db')}`,
  });
  assert.equal(code, 1);
  assert.match(err, /cannot be opened/);
  assert.equal(err.trimEnd().split('\n').length, 1, err);
});

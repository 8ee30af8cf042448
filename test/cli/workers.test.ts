import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { basic, FIXTURE } from '../support/server.ts';
import { until } from '../support/until.ts';
import { childrenOf, openTerminal, start } from './run.ts';

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

const LONG = process.env.GRANTABLE_TEST_LONG !== undefined;
const KILLS = LONG ? 20 : 4;

test('three workers on one port', async (t) => {
  const COUNT = 3;
  const { server, issuer } = await startWorkers(t, COUNT, { GRANTABLE_APPLY: 'apply.json' });
  const living = (): number[] => childrenOf(server.child.pid);
  const killed = new Set<number>();
  const kill = (pid: number | undefined): void => {
    assert.ok(pid);
    // One that hangs may have been cut by the server.
    if (!isGone(pid)) process.kill(pid, 'SIGKILL');
    killed.add(pid);
  };
  /** @returns the workers, once all serve and those that were killed are gone */
  const untilReplaced = () =>
    until('all workers', async () => {
      const metrics = await fetch(`${issuer}/metrics`, { headers: { connection: 'close' } }).catch(
        () => undefined,
      );
      if (!(await metrics?.text())?.includes(`grantable_workers ${COUNT}`)) return undefined;
      const pids = living();
      return pids.length === COUNT && !pids.some((pid) => killed.has(pid)) && pids;
    });
  await until('all are ready', () => server.said().includes('all workers are ready'));

  await t.test('serve it, and a killed one is replaced', async () => {
    const first = await untilReplaced();
    await until('a token', async () => (await token(issuer)) === 200);
    kill(first[0]);
    await untilReplaced();
    assert.deepEqual(await Promise.all(Array.from({ length: 12 }, () => token(issuer))), Array(12).fill(200));
  });

  await t.test(`${KILLS} killed workers are replaced, also before they were ready`, async () => {
    const saidBefore = server.said().length;
    for (let turn = 0; turn < KILLS; turn += 1) {
      // Every other time the newest, which is not ready yet.
      const pid = await until('there is one to kill', () => {
        const pids = living().filter((each) => !killed.has(each));
        return pids.length === COUNT && pids.at(turn % 2 === 0 ? 0 : -1);
      });
      kill(pid);
    }
    await untilReplaced();
    const pauses = [
      ...server
        .said()
        .slice(saidBefore)
        .matchAll(/"againAfterMs":(\d+)/g),
    ].map(([, pause]) => Number(pause));
    assert.ok(pauses.length >= KILLS / 2, String(pauses));
    assert.deepEqual(new Set(pauses), new Set([500]));
  });

  await t.test('a scrape beside a worker that is killed does not end the server', async () => {
    for (let turn = 0; turn < KILLS; turn += 1) {
      const [pid] = await untilReplaced();
      const scrapes = Array.from({ length: 40 }, () =>
        fetch(`${issuer}/metrics`, { headers: { connection: 'close' } })
          .then((response) => response.text())
          .catch(() => undefined),
      );
      kill(pid);
      await Promise.all(scrapes);
      assert.equal(server.child.exitCode, null, server.said());
    }
  });

  await t.test('new connections do not wait for one that hangs', async () => {
    const [stopped] = await untilReplaced();
    process.kill(stopped as number, 'SIGSTOP');
    const answers = await Promise.all(Array.from({ length: 24 }, () => token(issuer)));
    assert.deepEqual(answers, Array(24).fill(200));
    kill(stopped);
  });

  await t.test('end when the server is told to stop', async () => {
    const last = await untilReplaced();
    server.child.kill('SIGTERM');
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.said());
    assert.ok(last.every(isGone), 'no worker stays behind');
  });
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
  // While one is stopped, the other takes all connections.
  const [holder, other] = childrenOf(server.child.pid) as [number, number];
  process.kill(other, 'SIGSTOP');
  assert.deepEqual(await askAll(), Array(12).fill(200));
  process.kill(other, 'SIGCONT');
  process.kill(holder, 'SIGSTOP');
  const held = askAll();
  assert.equal(await token(issuer), 200, 'the other one answers meanwhile');
  assert.deepEqual(await held, Array(12).fill(undefined));
  assert.ok(server.said().includes('a worker does not answer: it is cut'));
  assert.deepEqual(await askAll(), Array(12).fill(200), 'they come to another one');
  await until('a replacement', () => {
    const pids = childrenOf(server.child.pid);
    return pids.length === 2 && !pids.includes(holder) && pids;
  });
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('a scrape of the metrics counts for all workers, whichever it reaches', async (t) => {
  const { server, issuer } = await startWorkers(t, 2, { GRANTABLE_APPLY: 'apply.json' });
  await until('two workers', () => server.said().includes('all workers are ready'));
  for (let made = 0; made < 20; made += 1) assert.equal(await token(issuer), 200);
  for (let scrape = 0; scrape < 6; scrape += 1) {
    // A worker that does not answer in time is left out, as the number of workers says.
    const text = await until('both have answered in time', async () => {
      const response = await fetch(`${issuer}/metrics`, { headers: { connection: 'close' } });
      const scraped = await response.text();
      return /^grantable_workers 2$/m.test(scraped) && scraped;
    });
    assert.match(text, /^grantable_tokens_issued_total\{grant="client_credentials"\} 20$/m);
    assert.match(text, /^process_cpu_seconds_total /m);
  }
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
});

test('only one demo is made, however many workers begin on an empty folder', async (t) => {
  const { server, issuer } = await startWorkers(t, 4);
  await until(
    'all workers',
    () => server.said().includes('all workers are ready') && childrenOf(server.child.pid).length === 4,
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

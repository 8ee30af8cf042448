import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const BCRYPT = new URL('../../src/accounts/bcrypt.ts', import.meta.url).href;

/** Runs a program that hashes, in a process where `preload` is run in each thread before. */
async function run(preload: string, program: string): Promise<string> {
  const imported = `data:text/javascript,${encodeURIComponent(preload)}`;
  const code = `const { bcrypt } = await import('${BCRYPT}'); ${program}`;
  const child = spawn(process.execPath, ['--import', imported, '-e', code], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return `${out}${err}`;
}

test('E13 a password is hashed where a thread may not lower its priority', async () => {
  const preload = `
    import os from 'node:os';
    import { syncBuiltinESMExports } from 'node:module';
    os.setPriority = () => { throw new Error('operation not permitted'); };
    syncBuiltinESMExports();
  `;
  const out = await run(preload, "console.log(await bcrypt.compare('x', await bcrypt.hash('x', 4)));");
  assert.equal(out, 'true\n');
});

test('E13 hashes whose thread does not start fail with the reason, later ones work', async () => {
  const preload = `
    import { env } from 'node:process';
    import { isMainThread } from 'node:worker_threads';
    if (!isMainThread && env.NO_THREADS === 'yes') throw new Error('no memory for a thread');
  `;
  const program = `
    process.env.NO_THREADS = 'yes';
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => bcrypt.hash('x', 4)));
    console.log(new Set(results.map(({ reason }) => reason?.message)));
    process.env.NO_THREADS = 'no';
    console.log(await bcrypt.compare('x', await bcrypt.hash('x', 4)));
  `;
  assert.equal(await run(preload, program), "Set(1) { 'no memory for a thread' }\ntrue\n");
});

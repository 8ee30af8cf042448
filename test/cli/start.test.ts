/** What a start of the process loads, and where it keeps compiled code. */
import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { openTerminal, start } from './run.ts';

/** Packages that a server over SQLite without an apply file needs for some requests at most. */
const LATER = ['cockatiel', 'kysely', 'mongodb', 'mongoose', 'mysql2', 'nodemailer', 'pg', 'piscina', 'yaml'];

/** Refused after the cache is switched on; `NODE_COMPILE_CACHE` would take its place. */
const REFUSED = { GRANTABLE_PORT: 'x', NODE_COMPILE_CACHE: '' };

test('a start over SQLite loads no driver, no YAML and no schema of the apply file', async (t) => {
  const terminal = await openTerminal(t, { GRANTABLE_LOG_LEVEL: 'info' });
  const list = join(terminal.dataDir, 'loaded.txt');
  const hook = join(terminal.dataDir, 'hook.mjs');
  await writeFile(
    hook,
    `import { appendFileSync } from 'node:fs';
     import { registerHooks } from 'node:module';
     registerHooks({
       load(url, context, next) {
         appendFileSync(${JSON.stringify(list)}, url + '\\n');
         return next(url, context);
       },
     });`,
  );
  const env = { GRANTABLE_DEMO: '0', NODE_OPTIONS: `--import=${hook}` };
  const server = start(terminal, ['serve'], env);
  await until('it is ready', async () => server.said().includes('"ready"'));
  server.child.kill();
  await server.ended;
  const loaded = (await readFile(list, 'utf8')).split('\n');
  const packages = loaded.map((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? '');
  assert.ok(packages.includes('oidc-provider'));
  assert.deepEqual(
    LATER.filter((name) => packages.includes(name)),
    [],
  );
  assert.deepEqual(
    loaded.filter((url) => /\/src\/apply\/(file|schema|apply)\.ts$/.test(url)),
    [],
  );
});

test('the server keeps compiled code in a folder of its own in the data folder', async (t) => {
  const { dataDir, spawn } = await openTerminal(t);
  const folder = join(dataDir, 'compile-cache');
  assert.equal((await spawn(['doctor'], REFUSED)).code, 1);
  await assert.rejects(lstat(folder), 'other commands make no folder');
  assert.equal((await spawn(['serve'], REFUSED)).code, 2);
  assert.equal((await lstat(folder)).mode & 0o777, 0o700);
  assert.equal((await readdir(folder)).length, 1);
});

test('a server that is killed leaves compiled code that the next one takes', async (t) => {
  const terminal = await openTerminal(t, { GRANTABLE_LOG_LEVEL: 'info', NODE_COMPILE_CACHE: '' });
  const serve = async (signal: NodeJS.Signals): Promise<string> => {
    const env = { GRANTABLE_DEMO: '0', NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
    const server = start(terminal, ['serve'], env);
    await until('it is ready', async () => server.said().includes('"ready"'));
    server.child.kill(signal);
    await server.ended;
    return server.said();
  };
  await serve('SIGKILL');
  const next = await serve('SIGTERM');
  const accepted = next.match(/was accepted/g) ?? [];
  assert.ok(accepted.length > 100, `${accepted.length} files`);
  assert.doesNotMatch(next, /was rejected/);
});

test('a data folder or cache that others can write is not used for compiled code', async (t) => {
  const { dataDir, spawn } = await openTerminal(t);
  const folder = join(dataDir, 'compile-cache');
  await chmod(dataDir, 0o770);
  assert.equal((await spawn(['serve'], REFUSED)).code, 2);
  await assert.rejects(lstat(folder));
  await chmod(dataDir, 0o700);
  await mkdir(folder);
  await chmod(folder, 0o777);
  assert.equal((await spawn(['serve'], REFUSED)).code, 2);
  assert.deepEqual(await readdir(folder), []);
});

test('a data folder that cannot hold compiled code changes no answer', async (t) => {
  const { dataDir, spawn } = await openTerminal(t);
  await writeFile(join(dataDir, 'compile-cache'), '');
  const { code, err } = await spawn(['serve'], REFUSED);
  assert.equal(code, 2);
  assert.match(err, /GRANTABLE_PORT/);
  const elsewhere = join(dataDir, 'compile-cache', 'below a file');
  const below = await spawn(['serve'], { ...REFUSED, GRANTABLE_DATA_DIR: elsewhere });
  assert.equal(below.code, 2);
  assert.match(below.err, /lies below the file/);
});

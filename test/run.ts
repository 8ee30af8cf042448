/**
 * Runs the tests: `npm test`, or `npm test -- FILE…` for some of them. First over SQLite, then those of a whole server
 * once more over MongoDB, each server with a database of its own on one MongoDB server, which is dropped with it or
 * named by `MONGODB_URI`.
 *
 * `--long` runs only tests of races and fault cycles, with their full counts (`GRANTABLE_TEST_LONG=1`); `--figures` only
 * tests of scale, at full scale and one at a time (`GRANTABLE_TEST_FIGURES=1`; without it they run at about 1 %).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { mongoMissing, startMongo } from './support/mongodb.ts';

const ALL = 'test/**/*.test.ts';
const OVER_MONGODB = [
  'test/faces/*.test.ts',
  'test/tokens/**/*.test.ts',
  'test/interaction/*.test.ts',
  'test/provider/*.test.ts',
  'test/security/*.test.ts',
  'test/faults/cascade.test.ts',
  'test/faults/clock-step.test.ts',
  'test/faults/several-processes.test.ts',
];
const FILE_TIMEOUT_MS = 1_200_000;
const MEMORY_DISK = '/dev/shm';
/** Bytes that the data folders of all tests take at most. */
const ROOM = 2 * 1024 ** 3;

const { values, positionals } = parseArgs({
  options: { long: { type: 'boolean', default: false }, figures: { type: 'boolean', default: false } },
  allowPositionals: true,
});
/** What the files name that are wanted. */
const variable = values.long ? 'GRANTABLE_TEST_LONG' : values.figures ? 'GRANTABLE_TEST_FIGURES' : undefined;
if (variable !== undefined) process.env[variable] = '1';

function find(patterns: string[]): string[] {
  const wanted =
    positionals.length > 0 ? new Set(globSync(positionals).map((file) => relative('', file))) : undefined;
  return globSync(patterns)
    .filter((file) => wanted === undefined || wanted.has(file))
    .filter((file) => variable === undefined || readFileSync(file, 'utf8').includes(variable))
    .sort();
}

/** In memory where there is room: a store waits for its disk at each answer. Undefined: the usual place. */
function makeDataFolder(): string | undefined {
  if (process.env.TMPDIR !== undefined) return undefined;
  try {
    const { bavail, bsize } = statfsSync(MEMORY_DISK);
    if (bavail * bsize < ROOM) return undefined;
    const folder = mkdtempSync(join(MEMORY_DISK, 'grantable-tests-'));
    // As the usual place: database servers of the tests run as users of their own.
    chmodSync(folder, 0o1777);
    return folder;
  } catch {
    return undefined;
  }
}

/** @returns whether all passed */
async function run(files: readonly string[], env: Readonly<Record<string, string>>): Promise<boolean> {
  if (files.length === 0) return true;
  const tests = spawn(
    process.execPath,
    [
      '--test',
      // They wait for other processes much of the time.
      `--test-concurrency=${values.figures ? 1 : availableParallelism() + 1}`,
      `--test-timeout=${FILE_TIMEOUT_MS}`,
      ...files,
    ],
    { env: { ...process.env, ...env }, stdio: 'inherit' },
  );
  const [code] = (await once(tests, 'exit')) as [number | null];
  return code === 0;
}

async function runOverMongodb(env: Readonly<Record<string, string>>): Promise<boolean> {
  const files = find(OVER_MONGODB);
  if (files.length === 0) return true;
  const missing = mongoMissing();
  if (missing) {
    console.log(`The tests over MongoDB were skipped: ${missing}.`);
    return true;
  }
  await using server = await startMongo();
  return await run(files, { ...env, GRANTABLE_TEST_STORAGE: 'mongodb', MONGODB_URI: server.uri });
}

const folder = makeDataFolder();
const env = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '..', 'node_modules', '.cache', 'node'),
  ...(folder !== undefined && { TMPDIR: folder }),
};
try {
  const isGood = (await run(find([ALL]), env)) && (await runOverMongodb(env));
  process.exitCode = isGood ? 0 : 1;
} finally {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

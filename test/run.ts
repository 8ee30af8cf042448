/**
 * Runs the tests: `npm test`, or `npm test -- FILE…` for some of them. Servers store in SQLite; what every store promises
 * (`test/storage`) is asked of every store.
 *
 * `--mongodb` runs the tests of whole servers once more with MongoDB as their store: one MongoDB server, or the one that
 * `MONGODB_URI` names, and a database for each server. `--long` runs only tests of races and fault cycles, with their
 * full counts (`GRANTABLE_TEST_LONG=1`); `--figures` only tests of scale, at full scale and one at a time
 * (`GRANTABLE_TEST_FIGURES=1`; without it they run at about 1 %).
 *
 * The files of some folders (`TOGETHER`) run one after the other in one process. So a test there puts back what it changes
 * of the process, also when it fails: `process.env`, the working directory, globals such as `fetch`, prototypes, and
 * listeners on `process`. If a file fails only beside others of its folder, an earlier one did not put something back.
 */
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { mongoMissing, startMongo } from './support/mongodb.ts';

const ALL = ['test/**/*.test.ts'];
/** Those whose answers depend on what the store keeps. */
const OVER_MONGODB = [
  'test/admin/api/*.test.ts',
  'test/admin/explain-*.test.ts',
  'test/agents/*.test.ts',
  'test/apply/handed-over.test.ts',
  'test/faces/*.test.ts',
  'test/tokens/**/*.test.ts',
  'test/webhooks/*.test.ts',
  'test/interaction/*.test.ts',
  'test/provider/*.test.ts',
  'test/security/*.test.ts',
  'test/faults/cascade.test.ts',
  'test/faults/clock-step.test.ts',
  'test/faults/narrowed-attribute.test.ts',
  'test/faults/several-processes.test.ts',
];
/** The files of such a folder run in one process: to read all sources takes longer than most of their tests. */
const TOGETHER =
  /^test\/(accounts|admin|agents|apply|changes|config|directory|faces|http|interaction|keys|mail|nouns|permissions|provider|security|tokens)\//;
const BROWSER = 'support/chromium';
/** A browser takes long, as do full counts. */
const ALONE = [BROWSER, ...(process.env.GRANTABLE_TEST_LONG ? ['GRANTABLE_TEST_LONG'] : [])];
/** These start programs. */
const SLOW = /^test\/(faults|storage|datasources|cli|guides|package|webhooks|wire)\//;
const FILE_TIMEOUT_MS = 3_600_000;
const MEMORY_DISK = '/dev/shm';
/** Bytes that the data folders of all tests take at most. */
const ROOM = 2 * 1024 ** 3;

const { values, positionals } = parseArgs({
  options: {
    mongodb: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    figures: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
/** What the files name that are wanted. */
const variable = values.long ? 'GRANTABLE_TEST_LONG' : values.figures ? 'GRANTABLE_TEST_FIGURES' : undefined;
if (variable !== undefined) process.env[variable] = '1';

const names = (file: string, text: string): boolean => readFileSync(file, 'utf8').includes(text);

function find(patterns: string[]): string[] {
  const wanted =
    positionals.length > 0 ? new Set(globSync(positionals).map((file) => relative('', file))) : undefined;
  return globSync(patterns)
    .filter((file) => wanted === undefined || wanted.has(file))
    .filter((file) => variable === undefined || names(file, variable))
    .sort();
}

/** In memory where there is room: a store waits for its disk at each answer. */
function makeDataFolder(): string {
  const folder = mkdtempSync(join(hasRoomInMemory() ? MEMORY_DISK : tmpdir(), 'grantable-tests-'));
  // As the usual place: database servers of the tests run as users of their own.
  chmodSync(folder, 0o1777);
  return folder;
}

function hasRoomInMemory(): boolean {
  if (process.env.TMPDIR !== undefined) return false;
  try {
    const { bavail, bsize } = statfsSync(MEMORY_DISK);
    return bavail * bsize >= ROOM;
  } catch {
    return false;
  }
}

/** What runs in processes of its own, the longest first, so that no core idles at the end. */
function arrange(files: readonly string[]): string[] {
  const isAsked = positionals.length > 0 || variable !== undefined;
  const [alone, together] = [[], []] as [string[], string[]];
  for (const file of files) {
    const isAlone = isAsked || !TOGETHER.test(file) || ALONE.some((text) => names(file, text));
    (isAlone ? alone : together).push(file);
  }
  const slow = alone.filter((file) => SLOW.test(file) || ALONE.some((text) => names(file, text)));
  const joined = [...Map.groupBy(together, (file) => file.split('/')[1] ?? '')].map(([name, group]) => {
    const entry = join(folder, `${name}.test.mjs`);
    writeFileSync(
      entry,
      group.map((file) => `import ${JSON.stringify(pathToFileURL(resolve(file)))};\n`).join(''),
    );
    return entry;
  });
  return [...slow, ...joined, ...alone.filter((file) => !slow.includes(file))];
}

/** @returns whether all passed */
async function runFiles(files: string[]): Promise<boolean> {
  if (files.length === 0) return true;
  const tests = run({
    files: arrange(files),
    // They wait for other processes much of the time.
    concurrency: values.figures ? 1 : availableParallelism() + 1,
    timeout: FILE_TIMEOUT_MS,
  });
  let isGood = false;
  tests.on('test:summary', ({ file, success }) => {
    if (file === undefined) isGood = success;
  });
  await pipeline(tests, new spec(), process.stdout, { end: false });
  return isGood;
}

async function runOverMongodb(): Promise<boolean> {
  const missing = mongoMissing();
  if (missing) {
    console.log(`The tests over MongoDB were skipped: ${missing}.`);
    return true;
  }
  await using server = await startMongo();
  process.env.GRANTABLE_TEST_STORAGE = 'mongodb';
  process.env.MONGODB_URI = server.uri;
  // What a browser does with an answer does not depend on the store.
  return await runFiles(find(OVER_MONGODB).filter((file) => !names(file, BROWSER)));
}

const folder = makeDataFolder();
process.env.NODE_COMPILE_CACHE = join(import.meta.dirname, '..', 'node_modules', '.cache', 'node');
process.env.TMPDIR = folder;
try {
  const isGood = await (values.mongodb ? runOverMongodb() : runFiles(find(ALL)));
  process.exitCode = isGood ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

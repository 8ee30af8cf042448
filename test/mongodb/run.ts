/**
 * The tests of a whole server once more, over MongoDB: `node test/mongodb/run.ts`. Each server has a database of its
 * own on one MongoDB server, which is dropped with it or named by `MONGODB_URI`. With `GRANTABLE_TEST_LONG` only those
 * that have more to do then.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { mongoMissing, startMongo } from '../support/mongodb.ts';

const SUITES = [
  'test/faces/*.test.ts',
  'test/grants/*.test.ts',
  'test/interaction/*.test.ts',
  'test/provider/*.test.ts',
  'test/security/*.test.ts',
  'test/faults/cascade.test.ts',
  'test/faults/several-processes.test.ts',
];

const isLong = (file: string): boolean => readFileSync(file, 'utf8').includes('GRANTABLE_TEST_LONG');
const files = globSync(SUITES).filter((file) => !process.env.GRANTABLE_TEST_LONG || isLong(file));

const missing = mongoMissing();
if (missing) {
  console.log(`The tests over MongoDB were skipped: ${missing}.`);
} else {
  await using server = await startMongo();
  const tests = spawn(
    process.execPath,
    ['--test', '--test-concurrency=2', '--test-timeout=1200000', ...files],
    {
      env: { ...process.env, GRANTABLE_TEST_STORAGE: 'mongodb', MONGODB_URI: server.uri },
      stdio: 'inherit',
    },
  );
  const [code] = (await once(tests, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}

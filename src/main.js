#!/usr/bin/env node
/**
 * The process: arguments, streams and signals, handed to the command line; and Node's compile cache. JavaScript, because
 * a Node without type stripping must get as far as the sentence below, and because Node loads its type stripper (18 MB)
 * for TypeScript that the cache does not hold yet.
 */
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Without what it brings, `node:sqlite` and `.ts` files among it, nothing here loads. */
const NODE_MAJOR = 24;
/** Milliseconds. */
const SAME_REQUEST_MS = 1_000;
/** Milliseconds that a server which has stopped may still be kept running by what it has given up. */
const LEFT_MS = 200;
if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  process.stderr.write(`Grantable needs Node.js ${NODE_MAJOR} or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}
const serves = process.argv.slice(2).join(' ') === 'serve';
const cacheFolder = findCacheFolder(process.env.GRANTABLE_DATA_DIR || './data');
if (cacheFolder !== undefined) (await import('node:module')).enableCompileCache(cacheFolder);
// Before everything is loaded: the first process of a container does not get a signal that it does not listen for.
const serverStopRequested = serves ? stopRequested() : undefined;
const { runCommand } = await import('./cli/run.ts');

/**
 * Where compiled code is kept: with it, a start takes half the time. Who can write there decides what runs here, so
 * there is a folder only in a data folder that no other user can write. The server makes both; it starts without, too.
 * @param {string} dataDir
 */
function findCacheFolder(dataDir) {
  const folder = join(dataDir, 'compile-cache');
  try {
    if (serves) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    if (!isOursAlone(statSync(dataDir))) return undefined;
    if (serves) mkdirSync(folder, { recursive: true, mode: 0o700 });
    return isOursAlone(lstatSync(folder)) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** @param {import('node:fs').Stats} found */
function isOursAlone(found) {
  // Windows has no such modes.
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}

/**
 * Before the first request, which would wait for it. A process that is killed later leaves its compiled code all the
 * same; and what loading took is given back: Node keeps it in an idle process, 15 to 20 MB. Compiled code is good for
 * the flags it was compiled with only, so the flag is put back.
 */
async function settle() {
  const [{ flushCompileCache }, { setFlagsFromString }, { runInNewContext }] = await Promise.all([
    import('node:module'),
    import('node:v8'),
    import('node:vm'),
  ]);
  flushCompileCache();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', flavor: 'last-resort' });
}

/**
 * The second signal is not waited for any more. Those of the first moment are one request: a terminal signals a whole group
 * of processes, and npm passes its own on.
 */
function stopRequested() {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const asked = () => {
        resolve(undefined);
        setTimeout(() => process.off(signal, asked), SAME_REQUEST_MS).unref();
      };
      process.on(signal, asked);
    }
  });
}

// A reader that went away (`| head`) is not a failure of this program.
process.stdout.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runCommand(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  now: Date.now,
  stopRequested: () => serverStopRequested ?? stopRequested(),
  startServer: async (config, options) =>
    (await import('./server.ts')).createServer(config, { ...options, beforeAnswering: settle }),
});
if (serves) setTimeout(() => process.exit(), LEFT_MS).unref();

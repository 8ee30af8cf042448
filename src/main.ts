#!/usr/bin/env node
/** The process: arguments, streams and signals, handed to the command line. */

/** Without what it brings, `node:sqlite` and `.ts` files among it, nothing here loads. */
const NODE_MAJOR = 24;
if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  process.stderr.write(`Grantable needs Node.js ${NODE_MAJOR} or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}
const { runCommand } = await import('./cli/run.ts');

/** The second signal is not waited for any more. */
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}

// A reader that went away (`| head`) is not a failure of this program.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
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
  stopRequested,
  startServer: async (config, options) => (await import('./server.ts')).createServer(config, options),
});

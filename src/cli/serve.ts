import cluster from 'node:cluster';
import { LINK_MINUTES } from '../accounts/first-administrator.ts';
import { loadConfig } from '../config/load.ts';
import { options } from '../config/options.ts';
import { type Command, type CommandIo, DONE } from './command.ts';
import { readArguments, writeLines } from './input.ts';
import { collectFromAll, countWhenAsked } from './worker-metrics.ts';
import { KILLED_AFTER_MS, reportReady, runWorkers } from './workers.ts';

/** Loaded with a file only: YAML and the schema of the file are large. */
async function findApplyReader({ env }: CommandIo) {
  if (env[options.applyFile.name] === undefined) return undefined;
  return (await import('../apply/file.ts')).loadApplyFile;
}

const INVITATION = [
  'This server has no administrator yet. Make the first one in a browser. The link works once, and for',
  `${LINK_MINUTES} minutes:`,
];

export const serve: Command = {
  summary: 'Starts the server and runs until it is asked to stop.',
  usage: ['serve'],
  details: [
    'SIGTERM and SIGINT stop it: requests under way are answered first. In an empty data folder, and without',
    'GRANTABLE_APPLY, it makes a demo organization and prints how to try it. On a terminal, and not in production, it prints',
    'a link to make the first administrator with, as long as there is not one.',
  ],
  async run(args, io) {
    readArguments(args, {}, 0);
    const config = loadConfig(io.env, { cwd: io.cwd, readApplyFile: await findApplyReader(io) });
    const { createLogger, takeOverConsole } = await import('../http/log.ts');
    const log = createLogger({ level: config.logLevel });
    // Listened for from the start, so that a stop while starting is not lost.
    const stopRequested = io.stopRequested();
    const waiting = new AbortController();
    stopRequested.then(() => waiting.abort());
    let late: NodeJS.Timeout | undefined;
    // Who stops a whole group of processes tells a worker, whose first process tells it again and cuts it when it is late.
    if (cluster.isWorker) process.on('SIGTERM', () => undefined).on('SIGINT', () => undefined);
    const giveBackConsole = takeOverConsole(log);
    try {
      if (config.workers > 1 && cluster.isPrimary) return await runWorkers(config, stopRequested, log);
      stopRequested.then(() => {
        late = setTimeout(
          () => {
            log.error('cut off: it did not start and stop in time');
            process.exit(DONE);
          },
          config.shutdownSeconds * 1000 + KILLED_AFTER_MS,
        ).unref();
      });
      const joinsOthers = (cluster.worker?.id ?? 0) > 1;
      const server = await io.startServer(config, {
        now: io.now,
        log,
        signal: waiting.signal,
        // Others are ready, so it must answer from its first connection on.
        joinsOthers,
        // A replaced worker starts too, and its lines come in the middle of others.
        onTerminal: io.stdout.isTTY === true && !joinsOthers,
        ...(cluster.isWorker && { workers: { countWhenAsked, collectFromAll } }),
      });
      const { applied, quickstart, firstAdministrator } = server.started;
      if (applied && applied.changes.length > 0) {
        const { formatReport } = await import('../apply/report.ts');
        writeLines(io.stdout, formatReport(applied));
      }
      if (quickstart !== undefined) writeLines(io.stdout, [quickstart]);
      if (firstAdministrator !== undefined) {
        writeLines(io.stdout, [...INVITATION, `  ${firstAdministrator}`, '']);
        log.info('a link for the first administrator was printed on the terminal');
      }
      reportReady();
      await stopRequested;
      await server.stop();
    } catch (error) {
      if (!(waiting.signal.aborted && (error as Error).name === 'AbortError')) throw error;
    } finally {
      clearTimeout(late);
      giveBackConsole();
      // The channel to the process that started this one would keep it running.
      cluster.worker?.disconnect();
    }
    return undefined;
  },
};

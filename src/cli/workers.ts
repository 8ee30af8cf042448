/**
 * Several processes of the server on one address (`GRANTABLE_WORKERS`). The first one alone opens and fills the store;
 * the others follow when it is ready. One that dies is replaced; a stop stops all.
 */
import cluster, { type Worker } from 'node:cluster';
import { on, once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import type { Logger } from '../http/log.ts';
import { DONE, FAILED } from './command.ts';
import { collectForWorkers } from './worker-metrics.ts';

const READY = 'grantable: ready';
const ALIVE = 'grantable: alive?';
/** Milliseconds between two questions whether a worker is alive. */
const ASK_EVERY = 1_000;
/**
 * After this many questions without an answer the worker is killed. A count, because a machine may sleep in between.
 */
const UNANSWERED = 10;
/** Milliseconds before a dead worker is replaced; doubled while replacements end before they are ready. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** Milliseconds beyond the time that each takes for its requests. */
export const KILLED_AFTER_MS = 2_000;

/** If this process is one of several: reports that it takes requests, and from then on answers whether it is alive. */
export function reportReady(): void {
  if (!cluster.isWorker) return;
  process.send?.(READY, () => undefined);
  process.on('message', (message) => {
    if (message === ALIVE) process.send?.(ALIVE, () => undefined);
  });
}

/** Resolves with whether it became ready before it ended. */
async function untilReady(worker: Worker): Promise<boolean> {
  for await (const [message] of on(worker, 'message', { close: ['exit'] })) {
    if (message === READY) return true;
  }
  return false;
}

/** Kills a worker that hangs: its connections end, its clients reach another worker, and a new one replaces it. */
function killIfHanging(worker: Worker, log: Logger): void {
  let unanswered = 0;
  worker.on('message', (message) => {
    if (message === ALIVE) unanswered = 0;
  });
  const asking = setInterval(() => {
    if (!worker.isConnected()) return;
    if (unanswered >= UNANSWERED) {
      log.error({ pid: worker.process.pid }, 'a worker does not answer: it is cut');
      worker.process.kill('SIGKILL');
    }
    unanswered += 1;
    worker.send(ALIVE, () => undefined);
  }, ASK_EVERY);
  worker.once('exit', () => clearInterval(asking));
}

/** @returns the exit code: that of the first process if it could not start */
export async function runWorkers(
  { workers: count, shutdownSeconds }: Pick<Config, 'workers' | 'shutdownSeconds'>,
  stopRequested: Promise<unknown>,
  log: Logger,
): Promise<number> {
  let stopping = false;
  let ready = 0;
  stopRequested.then(() => {
    stopping = true;
  });

  function becameReady(worker: Worker): void {
    killIfHanging(worker, log);
    ready += 1;
    if (ready === count) log.info({ workers: count }, 'all workers are ready');
  }

  /** Keeps one place filled until the stop. */
  async function keep(first: Worker | undefined): Promise<void> {
    let worker = first ?? cluster.fork();
    for (let pause = FIRST_PAUSE; ; ) {
      const wasReady = first === worker || (await untilReady(worker));
      if (wasReady) becameReady(worker);
      if (!worker.isDead()) await once(worker, 'exit');
      if (stopping) return;
      const { pid, exitCode, signalCode } = worker.process;
      // A killed worker does not mean that the next one fails too.
      if (wasReady || signalCode !== null) pause = FIRST_PAUSE;
      log.error(
        { pid, exitCode, signalCode, againAfterMs: pause },
        'a worker ended: another takes its place',
      );
      await Promise.race([wait(pause), stopRequested]);
      if (stopping) return;
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      worker = cluster.fork();
    }
  }

  // Each worker accepts connections itself. With round robin, a connection would wait for ever for a worker that hangs.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  collectForWorkers();
  const first = cluster.fork();
  const stopFirst = stopRequested.then(() => endAll(shutdownSeconds, log));
  const isReady = await untilReady(first);
  // It may have become ready after it was told to stop.
  if (stopping) {
    await stopFirst;
    return DONE;
  }
  if (!isReady) return first.process.exitCode ?? FAILED;
  const places = Array.from({ length: count }, (_, index) => keep(index === 0 ? first : undefined));
  await stopRequested;
  await stopFirst;
  await Promise.all(places);
  return DONE;
}

/** Asks all to stop; cuts those that do not. */
async function endAll(seconds: number, log: Logger): Promise<void> {
  const running = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  const ended = Promise.all(running.map((worker) => (worker.isDead() ? undefined : once(worker, 'exit'))));
  for (const { process: child } of running) child.kill('SIGTERM');
  const late = setTimeout(
    () => {
      for (const { process: child } of running.filter((worker) => !worker.isDead())) {
        log.error({ pid: child.pid }, 'a worker did not stop in time: it is cut');
        child.kill('SIGKILL');
      }
    },
    seconds * 1000 + KILLED_AFTER_MS,
  );
  await ended;
  clearTimeout(late);
}

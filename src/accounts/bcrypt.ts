/**
 * bcrypt in threads of its own, whose priority is lower than the event loop's. Where both share a core, threads of the same
 * priority take turns of several milliseconds, and all requests wait for the turn of the hash.
 */
import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import type { BcryptTask } from './bcrypt-worker.ts';

const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './bcrypt-worker.ts' : './bcrypt-worker.js',
  import.meta.url,
);
const IDLE_MS = 30_000;

let pool: Promise<Piscina> | undefined;

/** Opened at the first hash. The queue in front of it is `hash-queue.ts`. */
async function openPool(): Promise<Piscina> {
  const { Piscina: Pool } = await import('piscina');
  return new Pool({
    filename: WORKER.href,
    minThreads: 0,
    maxThreads: availableParallelism(),
    idleTimeout: IDLE_MS,
  });
}

async function run(task: BcryptTask): Promise<unknown> {
  pool ??= openPool();
  return (await pool).run(task);
}

/** As the library's functions of the same names. */
export const bcrypt = {
  /** @param salt of an earlier hash, or the cost of a new one @returns the bcrypt string */
  hash: (data: string, salt: string | number) => run({ data, salt }) as Promise<string>,
  compare: (data: string, hash: string) => run({ data, hash }) as Promise<boolean>,
};

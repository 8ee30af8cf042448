/**
 * Formats that are thousands of small digests in JavaScript run in a thread of their own, so that the event loop never
 * stands still for them.
 */
import type { Piscina } from 'piscina';
import type { SlowTask } from './slow-worker.ts';

const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './slow-worker.ts' : './slow-worker.js',
  import.meta.url,
);
const IDLE_MS = 30_000;
/** As many as the queue in front lets through at once. */
const QUEUE = 64;

let pool: Promise<Piscina> | undefined;

/** Loaded when it is first needed: most servers need none. */
async function openPool(): Promise<Piscina> {
  const { Piscina: Pool } = await import('piscina');
  return new Pool({
    filename: WORKER.href,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    maxQueue: QUEUE,
  });
}

export async function slowVerify(
  format: SlowTask['format'],
  password: string,
  stored: string,
): Promise<boolean> {
  pool ??= openPool();
  return (await pool).run({ format, password, stored } satisfies SlowTask) as Promise<boolean>;
}

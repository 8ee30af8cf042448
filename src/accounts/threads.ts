/** Threads for work that would keep the event loop busy. They start when such work comes, and end when none has come for long. */
import type { Piscina } from 'piscina';

/** Milliseconds without work after which a thread ends. */
const IDLE_MS = 30_000;

interface Opened {
  readonly pool: Piscina;
  /** Why it was given up. */
  failure?: Error;
}

/**
 * @returns runs one task
 * @throws what the task throws, or why its thread does not start or died; the next task gets threads anew
 */
export function createThreads<Task>({
  file,
  most,
  maxQueue,
}: {
  /** The file that they run; its default export does one task. */
  readonly file: URL;
  readonly most: number;
  /** Tasks that wait; absent: any number. */
  readonly maxQueue?: number;
}): (task: Task) => Promise<unknown> {
  let current: Promise<Opened> | undefined;

  /** Loaded when it is first needed. */
  async function open(): Promise<Opened> {
    const { Piscina: Pool } = await import('piscina');
    const pool = new Pool({
      filename: file.href,
      minThreads: 0,
      maxThreads: most,
      idleTimeout: IDLE_MS,
      ...(maxQueue !== undefined && { maxQueue }),
    });
    const opened: Opened = { pool };
    // Tasks would wait for ever for a thread that did not start.
    pool.on('error', (failure: Error) => {
      opened.failure = failure;
      current = undefined;
      void pool.destroy();
    });
    return opened;
  }

  return async (task) => {
    current ??= open();
    const opened = await current;
    try {
      return await opened.pool.run(task);
    } catch (error) {
      throw opened.failure ?? error;
    }
  };
}

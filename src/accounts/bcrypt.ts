/**
 * bcrypt in threads of its own, whose priority is lower than the event loop's. Where both share a core, threads of the same
 * priority take turns of several milliseconds, and all requests wait for the turn of the hash.
 */
import { availableParallelism } from 'node:os';
import type { BcryptTask } from './bcrypt-worker.ts';
import { createThreads } from './threads.ts';

/** The queue in front of them is `hash-queue.ts`. */
const run = createThreads<BcryptTask>({
  file: new URL(
    import.meta.url.endsWith('.ts') ? './bcrypt-worker.ts' : './bcrypt-worker.js',
    import.meta.url,
  ),
  most: availableParallelism(),
});

/** As the library's functions of the same names. */
export const bcrypt = {
  /** @param salt of an earlier hash, or the cost of a new one @returns the bcrypt string */
  hash: (data: string, salt: string | number) => run({ data, salt }) as Promise<string>,
  compare: (data: string, hash: string) => run({ data, hash }) as Promise<boolean>,
};

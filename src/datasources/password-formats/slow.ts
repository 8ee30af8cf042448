/**
 * Formats that are thousands of small digests in JavaScript run in a thread of their own, so that the event loop never
 * stands still for them.
 */
import { createThreads } from '../../accounts/threads.ts';
import type { SlowTask } from './slow-worker.ts';

const run = createThreads<SlowTask>({
  file: new URL(import.meta.url.endsWith('.ts') ? './slow-worker.ts' : './slow-worker.js', import.meta.url),
  most: 1,
  // As many as the queue in front lets through at once.
  maxQueue: 64,
});

export function slowVerify(format: SlowTask['format'], password: string, stored: string): Promise<boolean> {
  return run({ format, password, stored }) as Promise<boolean>;
}

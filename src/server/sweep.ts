/**
 * Clears away what has expired, in short slices: requests and other processes go on in between. A round removes all
 * that had expired when it began, however much that is, so the sweep keeps up with any number of tokens that are made
 * meanwhile. Several processes on one store share the work: each removes what it finds.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { UnusedAgents } from '../agents/unused.ts';
import type { Foundations } from './foundations.ts';

/** Rows of one slice at most; a store may end it earlier. */
const SLICE_ROWS = 500;
/** Milliseconds between two slices: several times those of a slice, because on SQLite the event loop stops during one. */
const PAUSE_MS = 10;

export interface RoundOptions {
  /** Asked before each slice; true ends the round. */
  readonly isStopping?: () => boolean;
  /** Between two slices; tests give their own. */
  readonly pause?: () => Promise<unknown>;
}

/** One round. @returns how many rows it removed */
export async function sweep(
  { config, storage, now }: Pick<Foundations, 'config' | 'storage' | 'now'>,
  { isStopping = () => false, pause = () => wait(PAUSE_MS) }: RoundOptions = {},
): Promise<number> {
  const began = now();
  const slices = [
    () => storage.sweep(began, SLICE_ROWS),
    () => storage.audit.removeBefore(began - config.auditRetention * 1000, SLICE_ROWS),
  ];
  let removed = 0;
  for (const slice of slices) {
    while (!isStopping()) {
      const rows = await slice();
      if (rows === 0) break;
      removed += rows;
      await pause();
    }
  }
  return removed;
}

/** Agents of one slice, each of which takes a few reads. */
const SLICE_AGENTS = 20;
/** Agents that one round looks at; with more of them, the next one goes on there. */
const ROUND_AGENTS = 200;

/** One round of looking for agents that are not used any more. */
export async function endUnusedAgents(
  { look }: UnusedAgents,
  { isStopping = () => false, pause = () => wait(PAUSE_MS) }: RoundOptions = {},
): Promise<void> {
  for (let looked = 0; looked < ROUND_AGENTS && !isStopping(); looked += SLICE_AGENTS) {
    if (await look(SLICE_AGENTS)) return;
    await pause();
  }
}

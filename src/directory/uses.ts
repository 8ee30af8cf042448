/** When and from where things are used, such as connections: written once a minute at most for each thing and process. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ArtifactStore } from '../storage/contract.ts';

const WRITTEN_EVERY_MS = 60_000;
const KEPT_FOR_MS = 400 * 86_400_000;
const REMEMBERED = 10_000;

export interface Use {
  /** Milliseconds. */
  readonly at: number;
  readonly address: string;
}

/** The latest use of each thing. */
export interface Uses<U extends Use> {
  find(id: string): Promise<U | undefined>;
  /** One that this process wrote in the last minute: another one needs not be written. */
  recent(id: string): U | undefined;
  write(id: string, use: U): Promise<void>;
}

export interface UsesDeps {
  readonly artifacts: Pick<ArtifactStore, 'find' | 'upsert'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** @param model kind of the things, under which their uses are stored */
export function createUses<U extends Use>(model: string, { artifacts, now }: UsesDeps): Uses<U> {
  const written = new LRUCache<string, U>({ max: REMEMBERED });
  const keyOf = (id: string) => hash('sha256', `${model}\0${id}`, 'buffer').subarray(0, 22);

  return {
    async find(id) {
      const stored = await artifacts.find(model, keyOf(id), now());
      return stored?.payload as U | undefined;
    },
    recent(id) {
      const last = written.get(id);
      return last && now() - last.at < WRITTEN_EVERY_MS ? last : undefined;
    },
    async write(id, use) {
      // At once, so that requests at the same time write it once.
      written.set(id, use);
      try {
        await artifacts.upsert(model, keyOf(id), {
          payload: { ...(use as Use) },
          expiresAt: use.at + KEPT_FOR_MS,
        });
      } catch (error) {
        written.delete(id);
        throw error;
      }
    },
  };
}

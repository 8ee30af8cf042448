/** When and from where things are used, such as connections: written once a minute at most for each thing and process. */
import { LRUCache } from 'lru-cache';
import type { ArtifactStore } from '../storage/contract.ts';
import { rowKey } from '../storage/row-key.ts';

const WRITTEN_EVERY_MS = 60_000;
const KEPT_FOR_MS = 400 * 86_400_000;
const REMEMBERED = 10_000;

export interface Use {
  /** Milliseconds. */
  readonly at: number;
  readonly address: string;
}

export interface UsesDeps {
  readonly artifacts: Pick<ArtifactStore, 'find' | 'upsert'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The latest use of each thing. @param model kind of the things, under which their uses are stored */
export function createUses<U extends Use>(model: string, { artifacts, now }: UsesDeps) {
  const written = new LRUCache<string, U>({ max: REMEMBERED });
  const keyOf = (id: string) => rowKey(`${model}\0${id}`, 22);

  return {
    async find(id: string): Promise<U | undefined> {
      const stored = await artifacts.find(model, keyOf(id), now());
      return stored?.payload as U | undefined;
    },
    /** One that this process wrote in the last minute: another one needs not be written. */
    recent(id: string): U | undefined {
      const last = written.get(id);
      return last && now() - last.at < WRITTEN_EVERY_MS ? last : undefined;
    },
    async write(id: string, use: U): Promise<void> {
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

/** When and from where the secrets of applications are used. */
import { createUses, type Use, type UsesDeps } from '../directory/uses.ts';

const MODEL = 'SecretUse';

export type SecretUses = ReturnType<typeof createSecretUses>;

export function createSecretUses(deps: UsesDeps) {
  const uses = createUses<Use>(MODEL, deps);
  const writing = new Map<string, Promise<void>>();

  async function write(secret: string, use: Use): Promise<void> {
    try {
      await uses.write(secret, use);
    } catch {
      // The store is away, which the request finds out by itself. The next use is written.
    } finally {
      writing.delete(secret);
    }
  }

  return {
    /** Writes it in the background: no client waits for that. @param secret its id */
    record(secret: string, address: string): void {
      if (uses.recent(secret)) return;
      writing.set(secret, write(secret, { at: deps.now(), address }));
    },
    /** The latest, also one that is being written. */
    async find(secret: string): Promise<Use | undefined> {
      await writing.get(secret);
      return uses.find(secret);
    },
    /** Waits for what is being written. */
    async settle(): Promise<void> {
      await Promise.all(writing.values());
    },
  };
}

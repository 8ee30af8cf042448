/** When and from where the secrets of applications are used. */
import { createUses, type Use, type UsesDeps } from '../directory/uses.ts';

const MODEL = 'SecretUse';

export interface SecretUses {
  /** Writes it in the background: no client waits for that. @param secret its id */
  record(secret: string, address: string): void;
  /** The latest, also one that is being written. */
  find(secret: string): Promise<Use | undefined>;
  /** Waits for what is being written. */
  settle(): Promise<void>;
}

export function createSecretUses(deps: UsesDeps): SecretUses {
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
    record(secret, address) {
      if (uses.recent(secret)) return;
      writing.set(secret, write(secret, { at: deps.now(), address }));
    },
    async find(secret) {
      await writing.get(secret);
      return uses.find(secret);
    },
    async settle() {
      await Promise.all(writing.values());
    },
  };
}

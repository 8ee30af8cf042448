/** Secrets of applications that have expired or will expire soon: their clients need another one in time. */
import { eachNoun } from '../directory/collections.ts';
import type { DirectoryStore } from '../storage/contract.ts';

const SOON_MS = 14 * 86_400_000;

/**
 * Of enabled applications.
 * @param now milliseconds
 * @returns sentences without their full stops
 */
export async function findExpiringSecrets(
  store: Pick<DirectoryStore, 'applications' | 'organizations'>,
  now: number,
): Promise<string[]> {
  const sentences: string[] = [];
  for await (const { enabled, organization, name, secrets } of eachNoun(store.applications)) {
    const expiring = enabled ? secrets.filter(({ expiresAt = Infinity }) => expiresAt <= now + SOON_MS) : [];
    if (expiring.length === 0) continue;
    const { name: of } = (await store.organizations.get(organization)) ?? { name: organization };
    for (const { name: secret, expiresAt = 0 } of expiring) {
      const at = new Date(expiresAt).toISOString();
      const which = `The secret ${secret} of the application ${of}/${name}`;
      sentences.push(
        expiresAt <= now
          ? `${which} expired at ${at}: remove it once no client sends it`
          : `${which} expires at ${at}: add another one and give it to the clients`,
      );
    }
  }
  return sentences;
}

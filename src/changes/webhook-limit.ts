/** How many webhooks an organization may have. */
import { MOST_WEBHOOKS } from '../nouns/webhook.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/**
 * @param added webhooks of the organization that are made before and not stored yet
 * @returns the end of a sentence about one more; undefined if there is room for it
 */
export async function findBeyondLimit(
  organization: string,
  { webhooks }: { readonly webhooks: Pick<DirectoryStore['webhooks'], 'page'> },
  added = 0,
): Promise<string | undefined> {
  const { items } = await webhooks.page({ organization, limit: MOST_WEBHOOKS });
  if (items.length + added < MOST_WEBHOOKS) return undefined;
  return `is beyond the ${MOST_WEBHOOKS} webhooks that an organization may have`;
}

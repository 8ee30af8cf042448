/** Who administers an organization. */
import type { DirectoryStore } from '../storage/contract.ts';
import type { Organization, User } from '../storage/nouns.ts';
import { eachListed } from './collections.ts';

/** An answer does not name more. */
const MOST_NAMED = 2_000;

export type FindAdministrators = (organization: Organization) => Promise<readonly User[]>;

export function createFindAdministrators(store: Pick<DirectoryStore, 'users'>): FindAdministrators {
  return async ({ id }) => {
    const found: User[] = [];
    for await (const user of eachListed(store.users, 'administers', id)) {
      found.push(user);
      if (found.length === MOST_NAMED) break;
    }
    return found;
  };
}

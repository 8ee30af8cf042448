/** Who administers an organization. */
import type { DirectoryStore } from '../storage/contract.ts';
import type { Organization, User } from '../storage/nouns.ts';
import { eachNoun } from './collections.ts';

/** No store finds people by what they administer, and an answer must not wait for all people of a server. */
const MOST_LOOKED_AT = 2_000;

/** As far as they are among the first people of the server, where those are whom the operator described. */
export type FindAdministrators = (organization: Organization) => Promise<readonly User[]>;

export function createFindAdministrators(store: Pick<DirectoryStore, 'users'>): FindAdministrators {
  return async ({ id }) => {
    const found: User[] = [];
    let lookedAt = 0;
    for await (const user of eachNoun(store.users)) {
      if (user.administers.includes(id)) found.push(user);
      lookedAt += 1;
      if (lookedAt === MOST_LOOKED_AT) break;
    }
    return found;
  };
}

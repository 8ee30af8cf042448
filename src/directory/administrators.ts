/** Who administers an organization. */
import type { DirectoryStore } from '../storage/contract.ts';
import type { Organization, User } from '../storage/nouns.ts';
import { eachNoun } from './collections.ts';

/** No store finds people by what they administer, and an answer must not wait for all people of a server. */
const MOST_LOOKED_AT = 2_000;
/** Milliseconds: what is told of them decides nothing. */
const REMEMBERED_FOR = 60_000;

/** As far as they are among the first people of the server. */
export type FindAdministrators = (organization: Organization) => Promise<readonly User[]>;

export function createFindAdministrators(
  store: Pick<DirectoryStore, 'users'>,
  now: () => number,
): FindAdministrators {
  let remembered: { readonly all: Promise<readonly User[]>; readonly until: number } | undefined;

  async function look(): Promise<readonly User[]> {
    const found: User[] = [];
    let lookedAt = 0;
    for await (const user of eachNoun(store.users)) {
      if (user.administers.length > 0) found.push(user);
      lookedAt += 1;
      if (lookedAt === MOST_LOOKED_AT) break;
    }
    return found;
  }

  return async ({ id }) => {
    if (!remembered || remembered.until <= now()) {
      const all = look();
      remembered = { all, until: now() + REMEMBERED_FOR };
      all.catch(() => {
        remembered = undefined;
      });
    }
    return (await remembered.all).filter(({ administers }) => administers.includes(id));
  };
}

/** Who administers an organization. */

import type { Organization, User } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { firstListed } from './collections.ts';

export type FindAdministrators = (organization: Organization) => Promise<readonly User[]>;

export function createFindAdministrators({ users }: Pick<DirectoryStore, 'users'>): FindAdministrators {
  return ({ id }) => firstListed(users, 'administers', id);
}

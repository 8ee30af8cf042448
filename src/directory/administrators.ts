/** Who administers an organization. */
import type { DirectoryStore } from '../storage/contract.ts';
import type { Organization, User } from '../storage/nouns.ts';
import { firstListed } from './collections.ts';

export type FindAdministrators = (organization: Organization) => Promise<readonly User[]>;

export function createFindAdministrators({ users }: Pick<DirectoryStore, 'users'>): FindAdministrators {
  return ({ id }) => firstListed(users, 'administers', id);
}

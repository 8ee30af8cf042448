/** The person who registered an application: without them it cannot be used. */

import { isActive, type Users } from '../directory/users.ts';
import type { Application, User } from '../nouns/index.ts';

/** @returns without a registrant for one that an operator made; undefined: they are gone or disabled */
export async function findRegistrant(
  { owner }: Pick<Application, 'owner'>,
  users: Pick<Users, 'find'>,
): Promise<{ readonly registrant?: User } | undefined> {
  if (owner === undefined) return {};
  const registrant = await users.find(owner);
  return registrant && isActive(registrant) ? { registrant } : undefined;
}

/** Whom the settings let in at this moment: a token may be from a time when they said otherwise. */
import type { Users } from '../../directory/users.ts';
import type { User } from '../../nouns/index.ts';
import type { FaceRequest } from '../face.ts';
import type { DeviceHiveSettings } from './settings.ts';
import type { RefreshFacts } from './tokens.ts';

type Now = Pick<FaceRequest, 'settings' | 'organization'>;

/** Administrators are of no organization, so who may come here is said by it and by them. */
export function isLetIn({ realm, administers }: User, { settings, organization }: Now): boolean {
  return (
    realm !== 'management' || (settings.administrators === true && administers.includes(organization.id))
  );
}

/** A refresh token lasts for months, and names the user it was made for; that of a plugin names its topic only. */
export async function mayRefresh(
  { realm, user: number, isOfPlugin, topic }: RefreshFacts,
  now: Now,
  users: Pick<Users, 'findByLogin' | 'findNumber'>,
): Promise<boolean> {
  const plugin = (now.settings as DeviceHiveSettings).plugins?.find((known) => known.topic === topic);
  if (isOfPlugin && !plugin) return false;
  if (realm !== 'management') return true;
  const user = plugin
    ? await users.findByLogin(realm, plugin.creator)
    : number !== undefined && (await users.findNumber(number));
  return user ? user.realm === realm && isLetIn(user, now) : false;
}

/**
 * What the directory must know about the older token APIs (faces) that an organization may switch on. Each face declares it
 * in its own folder, and `server` hands the list down.
 */

import type { FaceSettings, Organization, User } from '../nouns/index.ts';
import type { FaceRights } from '../nouns/noun.ts';
import type { DeviceAccess } from '../permissions/device-access.ts';
import type { DirectoryStore } from '../storage/contract.ts';

export interface FaceRules extends FaceRights {
  /** What a user may do with devices. One face at most says so. */
  readonly findDeviceRights?: (user: User, organization: Organization | undefined) => DeviceAccess;
  /** For settings that name users by user name, which another user may get later. @returns undefined: nothing to leave out */
  readonly withoutUser?: (settings: FaceSettings, user: User) => FaceSettings | undefined;
}

/** @returns the user's organization without what its faces say of the user; undefined if they say nothing */
export async function findWithoutUser(
  user: User,
  store: Pick<DirectoryStore, 'organizations' | 'applications'>,
  rules: readonly FaceRules[],
): Promise<Organization | undefined> {
  const own = user.organization === undefined ? undefined : await store.organizations.get(user.organization);
  const faces = { ...own?.faces };
  let isNamed = false;
  for (const { name, withoutUser } of rules) {
    const { [name]: settings } = faces;
    const left = settings && withoutUser?.(settings, user);
    if (!left) continue;
    const application =
      left.application === undefined ? undefined : await store.applications.get(left.application);
    if (application?.realm !== user.realm) continue;
    faces[name] = left;
    isNamed = true;
  }
  return own && isNamed ? { ...own, faces } : undefined;
}

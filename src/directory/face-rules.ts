/**
 * What the directory must know about the older token APIs (faces) that an organization may switch on. Each face declares it
 * in its own folder, and `server` hands the list down.
 */

import type { FaceSettings, Organization, User } from '../nouns/index.ts';
import type { FaceRights } from '../nouns/noun.ts';
import type { DeviceAccess } from '../permissions/device-access.ts';

export interface FaceRules extends FaceRights {
  /** What a user may do with devices. One face at most says so. */
  readonly findDeviceRights?: (user: User, organization: Organization | undefined) => DeviceAccess;
}

/** @returns the organization without what its faces say of the user; undefined if they say nothing */
export function withoutUser(organization: Organization, { id }: Pick<User, 'id'>): Organization | undefined {
  const { faces = {} } = organization;
  const isOf = ({ creator }: { readonly creator: string }) => creator === id;
  if (!Object.values(faces).some(({ plugins }) => plugins?.some(isOf))) return undefined;
  const left = Object.entries(faces).map(([name, { plugins, ...settings }]): [string, FaceSettings] => [
    name,
    plugins ? { ...settings, plugins: plugins.filter((plugin) => !isOf(plugin)) } : settings,
  ]);
  return { ...organization, faces: Object.fromEntries(left) };
}

/** Plugins of DeviceHive name their creator by user name, which another user may get later. */
import type { DirectoryStore } from '../storage/contract.ts';
import type { FaceSettings, Organization, User } from '../storage/nouns.ts';

/** @returns the user's organization without the plugins that the user created; undefined if the user created nothing */
export async function findWithoutPluginsOf(
  { organization, realm, username }: User,
  store: Pick<DirectoryStore, 'organizations' | 'applications'>,
): Promise<Organization | undefined> {
  if (organization === undefined) return undefined;
  const own = await store.organizations.get(organization);
  const { application, plugins = [], ...settings } = own?.faces?.devicehive ?? {};
  const left = plugins.filter(({ creator }) => creator !== username);
  if (!own || application === undefined || left.length === plugins.length) return undefined;
  if ((await store.applications.get(application))?.realm !== realm) return undefined;
  const devicehive = { ...(settings as FaceSettings), application, plugins: left };
  return { ...own, faces: { ...own.faces, devicehive } };
}

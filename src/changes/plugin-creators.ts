/**
 * Plugins whose creator is stored by user name, as earlier versions did: they get the id, by which faces know creators. One
 * without such a user goes, because the next user of the name would get it.
 */
import { eachListed } from '../directory/collections.ts';
import type { FaceRules } from '../directory/face-rules.ts';
import { type FaceSettings, isNounId, type Organization } from '../nouns/index.ts';
import { findableUsername } from '../nouns/usernames.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Changes } from './changes.ts';
import { retryOnConflict } from './retry-on-conflict.ts';

const AUTHOR = { actor: 'update' } as const;

interface Deps {
  readonly store: DirectoryStore;
  readonly changes: Pick<Changes, 'organizations'>;
  readonly faceRules: readonly FaceRules[];
}

async function findCreator(
  { id }: Organization,
  { administrators, application: applicationId = '' }: FaceSettings,
  name: string,
  { users, applications }: DirectoryStore,
): Promise<string | undefined> {
  const username = findableUsername(name);
  const administrator = administrators ? await users.findBy('username', `management/${username}`) : undefined;
  if (administrator?.administers.includes(id)) return administrator.id;
  const application = await applications.get(applicationId);
  const user = application && (await users.findBy('username', `${application.realm}/${username}`));
  return user?.id;
}

async function withIds(organization: Organization, face: string, store: DirectoryStore) {
  const settings = organization.faces?.[face];
  if (!settings?.plugins?.some(({ creator }) => !isNounId(creator))) return undefined;
  const found = await Array.fromAsync(settings.plugins, async ({ topic, creator }) => {
    const id = isNounId(creator) ? creator : await findCreator(organization, settings, creator, store);
    return id === undefined ? [] : [{ topic, creator: id }];
  });
  const faces = { ...organization.faces, [face]: { ...settings, plugins: found.flat() } };
  return { ...organization, faces };
}

export async function storeCreatorIds({ store, changes, faceRules }: Deps): Promise<void> {
  const faces = faceRules.filter(({ narrowing = [] }) => narrowing.includes('plugins'));
  for (const { name } of faces) {
    for await (const listed of eachListed(store.organizations, 'face', name)) {
      if (!(await withIds(listed, name, store))) continue;
      await retryOnConflict(async () => {
        const organization = await store.organizations.get(listed.id);
        const changed = organization && (await withIds(organization, name, store));
        if (changed) await changes.organizations.replace(changed, AUTHOR);
      });
    }
  }
}

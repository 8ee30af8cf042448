/**
 * Plugins whose creator is stored by user name, as earlier versions did: they get the id, by which faces know creators. One
 * without such a user goes, because the next user of the name would get it.
 */
import { eachNoun } from '../directory/collections.ts';
import { type FaceSettings, isNounId, type Organization } from '../nouns/index.ts';
import { findableUsername } from '../nouns/usernames.ts';
import type { DirectoryStore, Storage } from '../storage/contract.ts';
import { FOREVER } from '../storage/records.ts';
import { rowKey } from '../storage/row-key.ts';
import type { Changes } from './changes.ts';
import { retryOnConflict } from './retry-on-conflict.ts';

const AUTHOR = { actor: 'update' } as const;

/** Kept when no name is left: this version stores none, so later starts need not read every organization. */
export const NAMES_GONE = { model: 'PluginCreators', key: rowKey('names gone', 22) };

interface Deps {
  readonly storage: Pick<Storage, 'directory' | 'artifacts'>;
  readonly changes: Pick<Changes, 'organizations'>;
  /** Milliseconds. */
  readonly now: () => number;
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

const hasNames = ({ plugins = [] }: FaceSettings): boolean =>
  plugins.some(({ creator }) => !isNounId(creator));

async function withIds(organization: Organization, store: DirectoryStore): Promise<Organization> {
  const faces = { ...organization.faces };
  for (const [face, settings] of Object.entries(faces).filter(([, each]) => hasNames(each))) {
    const plugins = await Array.fromAsync(settings.plugins ?? [], async ({ topic, creator }) => {
      const id = isNounId(creator) ? creator : await findCreator(organization, settings, creator, store);
      return id === undefined ? [] : [{ topic, creator: id }];
    });
    faces[face] = { ...settings, plugins: plugins.flat() };
  }
  return { ...organization, faces };
}

/** Also of what is disabled, because the user may be gone when it is enabled. */
export async function storeCreatorIds({ storage, changes, now }: Deps): Promise<void> {
  const { artifacts, directory: store } = storage;
  const { model, key } = NAMES_GONE;
  if (await artifacts.find(model, key, now())) return;
  const isEarlier = ({ faces = {} }: Organization): boolean => Object.values(faces).some(hasNames);
  for await (const organization of eachNoun(store.organizations)) {
    if (!isEarlier(organization)) continue;
    await retryOnConflict(async () => {
      const current = await store.organizations.get(organization.id);
      if (!current || !isEarlier(current)) return;
      await changes.organizations.replace(await withIds(current, store), AUTHOR);
    });
  }
  await artifacts.upsert(model, key, { payload: {}, expiresAt: FOREVER });
}

/** Plugins of DeviceHive name their creator by user name, which somebody else may have next. */
import type { DirectoryStore } from '../storage/contract.ts';
import type { FaceSettings, User } from '../storage/nouns.ts';
import type { Author, Changes } from './changes.ts';
import { despiteOthers } from './despite-others.ts';

/** Takes the plugins that somebody created out of the settings of their organization. */
export async function forgetCreator(
  { organization, realm, username }: User,
  store: Pick<DirectoryStore, 'organizations' | 'applications'>,
  changes: Pick<Changes, 'organizations'>,
  author: Author,
): Promise<void> {
  if (organization === undefined) return;
  await despiteOthers(async () => {
    const own = await store.organizations.get(organization);
    const { application, plugins = [], ...settings } = own?.faces?.devicehive ?? {};
    const left = plugins.filter(({ creator }) => creator !== username);
    if (!own || application === undefined || left.length === plugins.length) return;
    if ((await store.applications.get(application))?.realm !== realm) return;
    const devicehive = { ...(settings as FaceSettings), application, plugins: left };
    await changes.organizations.replace({ ...own, faces: { ...own.faces, devicehive } }, author);
  });
}

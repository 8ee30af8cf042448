/** The nouns that operators name on the command line. */
import { collectionOf, eachNoun, findResourceSpelled } from '../directory/collections.ts';
import type { Application, Nouns, Realm, Resource, User } from '../nouns/index.ts';
import { isNounId } from '../nouns/index.ts';
import { findableUsername } from '../nouns/usernames.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** @param name a UUID, or `organization/name` */
export async function findNamed<C extends 'applications' | 'connections' | 'datasources'>(
  store: DirectoryStore,
  collection: C,
  name: string,
): Promise<Nouns[C] | undefined> {
  const nouns = collectionOf(store, collection);
  const stored = isNounId(name) ? await nouns.get(name) : undefined;
  if (stored) return stored;
  const [organizationName = '', ...rest] = name.split('/');
  const organization = await store.organizations.findBy('name', organizationName);
  return organization && nouns.findBy('name', `${organization.id}/${rest.join('/')}`);
}

/**
 * @param name an identifier, or `organization/name`: several resources of an organization may have one name
 * @returns all that it fits
 */
export async function findResources(store: DirectoryStore, name: string): Promise<readonly Resource[]> {
  const identified = await findResourceSpelled(store, name);
  if (identified) return [identified];
  const [organizationName = '', ...rest] = name.split('/');
  const organization = await store.organizations.findBy('name', organizationName);
  const resources = organization ? await Array.fromAsync(eachNoun(store.resources, organization.id)) : [];
  return resources.filter((each) => each.name === rest.join('/'));
}

/** @param name a UUID, a clientId, or `organization/application` */
export async function findApplication(store: DirectoryStore, name: string): Promise<Application | undefined> {
  return (await findNamed(store, 'applications', name)) ?? store.applications.findBy('clientId', name);
}

/**
 * @param name a UUID, `organization/application/username`, `organization/username` for the organization's own users,
 *   or `management/username`. A name that fits several users gives all of them.
 */
export async function findUsers(store: DirectoryStore, name: string): Promise<User[]> {
  if (isNounId(name)) {
    const user = await store.users.get(name);
    if (user) return [user];
  }
  const [first = '', ...others] = name.split('/');
  const found: (User | undefined)[] = [];
  const look = async (realm: Realm, username: string): Promise<void> => {
    const canonical = findableUsername(username);
    if (canonical !== undefined) found.push(await store.users.findBy('username', `${realm}/${canonical}`));
  };
  if (first === 'management') await look('management', others.join('/'));
  const organization = await store.organizations.findBy('name', first);
  if (organization && others.length > 0) {
    await look(`organization:${organization.id}`, others.join('/'));
    const [second, ...username] = others;
    const application = await store.applications.findBy('name', `${organization.id}/${second}`);
    if (application && username.length > 0) await look(`application:${application.id}`, username.join('/'));
  }
  return found.filter((user) => user !== undefined);
}

/**
 * The users that plugins of faces name: a file has their user names, the store their ids, so that a plugin never passes to
 * another user of the name.
 */
import { type FaceSettings, isNounId, type Realm } from '../../nouns/index.ts';
import { findableUsername } from '../../nouns/usernames.ts';
import { realmOf } from '../../nouns/values.ts';
import type { ApplyAdministrator, ApplyOrganization } from '../schema.ts';
import type { Plan, Planning } from './plan.ts';

interface Place {
  readonly entry: ApplyOrganization;
  /** Of the organization. */
  readonly id: string;
  /** Of the face. */
  readonly before: FaceSettings | undefined;
}

/** Whose users log in through the application of a face, and which people of the file are among them. */
async function findPeople(plan: Plan, { entry, id }: Place, application: string) {
  const stored = await plan.store.applications.get(application);
  const said = entry.applications?.find(({ name }) =>
    stored ? name === stored.name : plan.reserveId('applications', `${id}/${name}`) === application,
  );
  const own: Realm = `application:${application}`;
  const realm =
    said?.realm ?? (stored === undefined || stored.realm === own ? 'application' : 'organization');
  const name = realm === 'application' ? (said ?? stored)?.name : undefined;
  return {
    realm: realm === 'application' ? own : realmOf(id),
    people: entry.users?.filter((user) => user.application === name) ?? [],
  };
}

/** @returns undefined: neither in the store nor in the file */
async function findUserId(
  plan: Plan,
  realm: Realm,
  username: string,
  people: readonly { readonly username: string }[],
): Promise<string | undefined> {
  const key = `${realm}/${username}`;
  const stored = await plan.store.users.findBy('username', key);
  if (stored) return stored.id;
  return people.some(isCalled(username)) ? plan.reserveId('users', key) : undefined;
}

const isCalled =
  (username: string) =>
  (person: { readonly username: string }): boolean =>
    findableUsername(person.username) === username;

/** As at logins: only those who are let in, and their names come first. */
async function findAdministratorId(
  plan: Plan,
  { entry, id }: Place,
  username: string,
  administrators: readonly ApplyAdministrator[],
): Promise<string | undefined> {
  const stored = await plan.store.users.findBy('username', `management/${username}`);
  const said = administrators.find(isCalled(username))?.organizations;
  const isLetIn = said ? said.includes(entry.name) : stored?.administers.includes(id);
  return isLetIn ? findUserId(plan, 'management', username, administrators) : undefined;
}

/** What is stored stays where the file repeats it, also if another user has the name meanwhile. */
async function isKept(plan: Plan, creator: string, name: string): Promise<boolean> {
  if (!isNounId(creator)) return false;
  const user = await plan.store.users.get(creator);
  // One who has gone is spelled as an id.
  return user ? user.canonicalUsername === findableUsername(name) : creator === name;
}

/**
 * @param settings of a face, with names where the store has ids
 * @returns them with ids; a user who is not there is a problem of the plan
 */
export async function withCreatorIds(
  plan: Plan,
  place: Place,
  settings: FaceSettings,
  { administrators = [] }: Pick<Planning, 'administrators'>,
): Promise<FaceSettings> {
  const { plugins, application } = settings;
  if (!plugins) return settings;
  const { entry, before } = place;
  const users = application === undefined ? undefined : await findPeople(plan, place, application);
  async function findCreator(topic: string, name: string): Promise<string | undefined> {
    const was = before?.plugins?.find((each) => each.topic === topic)?.creator;
    const isSame = was !== undefined && before?.application === application;
    if (isSame && (await isKept(plan, was, name))) return was;
    const username = findableUsername(name);
    if (username === undefined) return undefined;
    const administrator = settings.administrators
      ? await findAdministratorId(plan, place, username, administrators)
      : undefined;
    return administrator ?? (users && findUserId(plan, users.realm, username, users.people));
  }
  const found = await Array.fromAsync(plugins, async (plugin) => {
    const creator = await findCreator(plugin.topic, plugin.creator);
    if (creator !== undefined) return { ...plugin, creator };
    plan.problems.push(
      `organization ${entry.name}: the plugin ${plugin.topic} is of the user ${plugin.creator}, who is not there`,
    );
    return plugin;
  });
  return { ...settings, plugins: found };
}

/**
 * The users that plugins of faces name: a file has their user names, the store their ids, so that a plugin never passes to
 * another user of the name.
 */
import { type FaceSettings, isNounId, type Organization, type Realm } from '../../nouns/index.ts';
import { findableUsername } from '../../nouns/usernames.ts';
import { realmOf } from '../../nouns/values.ts';
import type { ApplyOrganization } from '../schema.ts';
import type { Plan, Planning } from './plan.ts';

interface Place {
  readonly entry: ApplyOrganization;
  /** Of the organization. */
  readonly id: string;
  readonly before: Organization | undefined;
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
  return people.some((each) => findableUsername(each.username) === username)
    ? plan.reserveId('users', key)
    : undefined;
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
  const users = application === undefined ? undefined : await findPeople(plan, place, application);
  const kept = new Set(
    Object.values(place.before?.faces ?? {}).flatMap(
      (face) => face.plugins?.map((each) => each.creator) ?? [],
    ),
  );
  async function findCreator(name: string): Promise<string | undefined> {
    // A creator who has gone is spelled as an id.
    if (isNounId(name) && kept.has(name)) return name;
    const username = findableUsername(name);
    if (username === undefined) return undefined;
    // At logins too, names of administrators come first.
    const administrator = settings.administrators
      ? await findUserId(plan, 'management', username, administrators)
      : undefined;
    return administrator ?? (users && findUserId(plan, users.realm, username, users.people));
  }
  const found = await Array.fromAsync(plugins, async (plugin) => {
    const creator = await findCreator(plugin.creator);
    if (creator !== undefined) return { ...plugin, creator };
    plan.problems.push(
      `organization ${place.entry.name}: the plugin ${plugin.topic} is of the user ${plugin.creator}, who is not there`,
    );
    return plugin;
  });
  return { ...settings, plugins: found };
}

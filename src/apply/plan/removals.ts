/**
 * What `apply --prune` removes: what earlier files made and this one leaves out, in the lists that it has. Nothing else is ever removed: not what people,
 * faces or agents made, and not what still has something of theirs in it.
 */
import { collectionOf, eachListed, eachNoun } from '../../directory/collections.ts';
import { listSome } from '../../errors/texts.ts';
import { MANAGEMENT } from '../../nouns/built-in.ts';
import {
  type Application,
  type CollectionName,
  declarationOf,
  type FaceSettings,
  type Nouns,
  nameOf,
  OF_ORGANIZATION,
  type OfOrganization,
  type Organization,
  type User,
} from '../../nouns/index.ts';
import { type Reference, referencesOf, referenceTo } from '../../nouns/references.ts';
import { findableUsername } from '../../nouns/usernames.ts';
import { applicationOf, realmOf } from '../../nouns/values.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import type { ApplyOrganization } from '../schema.ts';
import { mustGoFirst } from './handovers.ts';
import type { Plan, Removal } from './plan.ts';

/** Lists of an organization. What names others is removed before these. */
const PRUNED = OF_ORGANIZATION.toReversed();

const NAMED_IN_A_SENTENCE = 5;

/** The lists of an organization, or of `management`. */
type Lists = Pick<ApplyOrganization, OfOrganization>;

/** To be called before the organization's lists are planned, which then leave out what goes. */
export async function planRemovals(plan: Plan, organization: Organization, entry: Lists): Promise<void> {
  const { store } = plan;
  const users = await usersOf(organization, entry, store);
  for (const collection of PRUNED) {
    const list = collection === 'users' ? users : entry[collection]?.map(nameInFile);
    if (!list) continue;
    const listed = new Set(list);
    for await (const noun of eachNoun(collectionOf(store, collection), organization.id)) {
      if (noun.managedBy !== 'apply' || (noun as Partial<Application>).isOrganization) continue;
      const { realm, canonicalUsername } = noun as User;
      if (listed.has(collection === 'users' ? `${realm}/${canonicalUsername}` : nameOf(noun))) continue;
      const name = await spell(collection, noun, organization, store);
      plan.removals.set(referenceTo(collection, noun), { collection, name, noun });
    }
  }
}

function nameInFile(entry: { readonly name?: string; readonly identifier?: string }): string {
  return entry.identifier ?? (entry.name as string);
}

/** Those of the list, as their realm and canonical name; undefined: there is no list. */
async function usersOf(
  organization: Organization,
  { users }: Lists,
  store: DirectoryStore,
): Promise<string[] | undefined> {
  if (!users) return undefined;
  const listed: string[] = [];
  for (const { application, username } of users) {
    const own =
      application === undefined
        ? undefined
        : await store.applications.findBy('name', `${organization.id}/${application}`);
    // Of an application that is not there yet, no user is.
    if (application !== undefined && !own) continue;
    const realm = own ? `application:${own.id}` : realmOf(organization.id);
    listed.push(`${realm}/${findableUsername(username)}`);
  }
  return listed;
}

async function spell<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  organization: Organization,
  store: DirectoryStore,
): Promise<string> {
  const { singular } = declarationOf(collection);
  const own = nameOf(noun);
  if (collection === 'organizations' || collection === 'resources') return `${singular} ${own}`;
  const id = collection === 'users' ? applicationOf((noun as User).realm) : undefined;
  const application = id === undefined ? undefined : await store.applications.get(id);
  return `${singular} ${[organization.name, application?.name, own].filter((part) => part !== undefined).join('/')}`;
}

/** A realm of an application is one that goes with it. */
function namedIn<C extends CollectionName>(collection: C, noun: Nouns[C]): Reference[] {
  return referencesOf(collection, noun).map((reference) =>
    reference.kind === 'realm' ? { ...reference, to: applicationOf(reference.to) ?? '' } : reference,
  );
}

/**
 * They come after the changes, so that nothing names what is removed; but first where a change takes a value, such as a client id,
 * that one of them cannot give up before, and what belongs to such a one too.
 * @returns in the order in which they go
 */
export function removalsOf(plan: Plan): { first: readonly Removal[]; last: readonly Removal[] } {
  const inOrder = PRUNED.flatMap((each) =>
    [...plan.removals.values()].filter(({ collection }) => collection === each),
  );
  const early = new Set<string>();
  const belongsToEarly = ({ collection, noun }: Removal): boolean =>
    namedIn(collection, noun).some(({ to, isOptional }) => !isOptional && early.has(to));
  for (const removal of inOrder.toReversed()) {
    if (belongsToEarly(removal) || mustGoFirst(plan, removal))
      early.add(referenceTo(removal.collection, removal.noun));
  }
  const { first = [], last = [] } = Object.groupBy(inOrder, ({ collection, noun }) =>
    early.has(referenceTo(collection, noun)) ? 'first' : 'last',
  );
  return { first, last };
}

/** Nouns of the organization; the people of `management` are the administrators. */
function eachOf<C extends CollectionName>(
  collection: C,
  { id }: Organization,
  store: DirectoryStore,
): AsyncGenerator<Nouns[C]> {
  const nouns = collectionOf(store, collection);
  return collection === 'users' && id === MANAGEMENT.id
    ? eachListed(nouns, 'realm', MANAGEMENT.name)
    : eachNoun(nouns, id);
}

interface Needed {
  readonly name: string;
  readonly neededBy: Set<string>;
  takenFrom: number;
}

/**
 * Adds to the problems what stays and needs what goes, and to the notes how many lose a role. What the file does not list
 * may lose a role, a partner or a plugin; what it lists must not name those itself.
 */
export async function checkRemovals(
  plan: Plan,
  organization: Organization,
  { faces = {} }: Pick<ApplyOrganization, 'faces'> = {},
): Promise<void> {
  const found = [...plan.removals]
    .filter(([, { noun }]) => noun.organization === organization.id)
    .map(([to, { name }]): [string, Needed] => [to, { name, neededBy: new Set(), takenFrom: 0 }]);
  if (found.length === 0) return;
  const removed = new Map(found);
  for (const { collection, name, noun } of plan.nouns.values()) {
    for (const { to } of namedIn(collection, noun)) removed.get(to)?.neededBy.add(name);
  }
  for (const [face, { plugins = [] }] of Object.entries<Partial<FaceSettings>>(faces)) {
    const planned = plugins.length > 0 ? organization.faces?.[face]?.plugins : undefined;
    for (const { creator } of planned ?? [])
      removed.get(creator)?.neededBy.add(`organization ${organization.name}`);
  }
  for (const collection of PRUNED) {
    for await (const noun of eachOf(collection, organization, plan.store)) {
      if (plan.nouns.has(noun.id) || removed.has(referenceTo(collection, noun))) continue;
      for (const { to, isOptional } of namedIn(collection, noun)) {
        const what = removed.get(to);
        if (what && isOptional) what.takenFrom += 1;
        else what?.neededBy.add(await spell(collection, noun, organization, plan.store));
      }
    }
  }
  for (const { name, neededBy, takenFrom } of removed.values()) {
    if (takenFrom > 0) {
      plan.notes.push(
        `${name} is taken from ${takenFrom === 1 ? 'one' : takenFrom} that the file does not list`,
      );
    }
    if (neededBy.size === 0) continue;
    const some = listSome([...neededBy], NAMED_IN_A_SENTENCE);
    plan.problems.push(
      `${name} is left out and cannot be removed, because it is needed by ${some}: list it, or change what needs it first`,
    );
  }
}

/**
 * Values that only one noun may have, such as email addresses. No store writes two nouns at once, so one that a file takes from a
 * noun and gives to another is taken before anything else is written.
 */
import {
  type CollectionName,
  identityKey,
  type Nouns,
  type Resource,
  type User,
  uniqueValuesOf,
} from '../../nouns/index.ts';
import type { Plan, PlannedNoun } from './plan.ts';

type Noun = Nouns[CollectionName];

/** The noun without a value. Those of all other keys are fixed. */
const WITHOUT: Readonly<Record<string, (noun: never, value: string) => object>> = {
  channel: ({ channel: _, ...resource }: Resource) => resource,
  email: ({ email: _, canonicalEmail: __, ...user }: User) => ({ ...user, emailVerified: false }),
  identity: (user: User, value) => ({
    ...user,
    identities: user.identities?.filter((each) => identityKey(user.realm, each) !== value),
  }),
};

/** Both are typed into one field, so the username of one user cannot be the email address of another. */
const LOGIN_NAMES: readonly string[] = ['username', 'email'];

/** What the noun has and another one of the file will have. */
function wantedOf(
  plan: Plan,
  collection: CollectionName,
  noun: Noun,
): (readonly [key: string, value: string])[] {
  return uniqueValuesOf(collection, noun).filter(([key, value]) =>
    (LOGIN_NAMES.includes(key) ? LOGIN_NAMES : [key]).some((each) => {
      const taker = plan.findPlanned(collection, each, value);
      return taker !== undefined && taker.id !== noun.id;
    }),
  );
}

/** Whether another noun will have a value that this one has as long as it is there. */
export function mustGoFirst(plan: Plan, { collection, noun }: PlannedNoun): boolean {
  return wantedOf(plan, collection, noun).some(([key]) => !WITHOUT[key]);
}

/** A noun without what others get. */
export interface Release {
  readonly collection: CollectionName;
  readonly noun: Noun;
  /** As it is changed or removed afterwards. */
  readonly later: Noun;
}

/** @param last what goes after the changes */
export function releasesOf(plan: Plan, last: readonly PlannedNoun[]): Release[] {
  const holders = [
    ...plan.steps.flatMap(({ collection, before, after }) => (before ? [{ collection, before, after }] : [])),
    ...last.map(({ collection, noun }) => ({ collection, before: noun, after: noun })),
  ];
  return holders.flatMap(({ collection, before, after }) => {
    const wanted = wantedOf(plan, collection, before);
    if (wanted.length === 0) return [];
    const noun = wanted.reduce<object>(
      (left, [key, value]) => WITHOUT[key]?.(left as never, value) ?? left,
      before,
    );
    return [{ collection, noun: noun as Noun, later: after }];
  });
}

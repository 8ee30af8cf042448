/**
 * What a change of a noun (an administered thing: an application, a role …) means for the living tokens below it, and
 * which marks its node gets before and after the change. `changes.ts` writes the change and the marks.
 */
import { isDeepStrictEqual } from 'node:util';
import { type FaceRules, rightsOfFaces } from '../directory/face-rules.ts';
import type { CollectionName, Nouns } from '../nouns/index.ts';
import type { NodeMark } from '../storage/contract.ts';

/**
 * - `ends`: everything below is dead until further notice;
 * - `returns`: it ended before; what is made after the change lives;
 * - `restarts`: what was made before the change is dead, what is made after it lives;
 * - `narrows`: what was made before the change is recomputed, stored ∩ current rights;
 * - `none`: nothing below can tell the difference.
 */
export type Effect = 'ends' | 'returns' | 'restarts' | 'narrows' | 'none';

interface Rules<T> {
  /** A role that ends gives nothing any more, which leaves the rights that came through other roles. */
  readonly ending: 'ends' | 'narrows';
  /** A client that got in by the old value must not stay in. */
  readonly restarting: readonly (keyof T)[];
  /** Rights are read from these. Widening is not told apart: recomputing then gives what was there. */
  readonly narrowing: readonly (keyof T | ((noun: T, faces: readonly FaceRules[]) => unknown))[];
}

const rules: { readonly [C in CollectionName]: Rules<Nouns[C]> } = {
  organizations: {
    ending: 'ends',
    restarting: [],
    narrowing: [rightsOfFaces],
  },
  applications: {
    ending: 'ends',
    restarting: ['realm'],
    narrowing: ['ceilings', 'registeredCeiling', 'scopes', 'resource', 'grants', 'mayExchange'],
  },
  roles: { ending: 'narrows', restarting: [], narrowing: ['scopes', 'permissions', 'resource'] },
  resources: { ending: 'ends', restarting: [], narrowing: ['tables', 'scopes', 'catalogue', 'owner'] },
  users: {
    ending: 'ends',
    restarting: ['passwordHash'],
    narrowing: ['roles', 'administers', 'faces', 'pending'],
  },
  connections: { ending: 'ends', restarting: [], narrowing: ['scopes', 'permissions', 'expiresAt'] },
  // Another server is another set of people.
  datasources: { ending: 'ends', restarting: ['file', 'server'], narrowing: ['userTables'] },
};

/** @param after undefined: it is removed */
export function effectOf<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C] | undefined,
  faces: readonly FaceRules[],
): Effect {
  const { ending, restarting, narrowing } = rules[collection] as Rules<Nouns[C]>;
  type Part = Rules<Nouns[C]>['narrowing'][number];
  const read = (noun: Nouns[C] | undefined, part: Part): unknown =>
    noun && (typeof part === 'function' ? part(noun, faces) : noun[part]);
  const differs = (part: Part): boolean => !isDeepStrictEqual(read(before, part), read(after, part));
  if (!after?.enabled) return before.enabled ? ending : narrowing.some(differs) ? 'narrows' : 'none';
  if (!before.enabled) return ending === 'ends' ? 'returns' : 'narrows';
  if (restarting.some(differs)) return 'restarts';
  return narrowing.some(differs) ? 'narrows' : 'none';
}

/**
 * To be written before the change. A crash right after the change must leave no rights alive, a change that fails must
 * not leave anything dead: so an end is announced as narrowing, because recomputing finds whether it has come.
 */
export function markBefore(effect: Effect, now: number): NodeMark | undefined {
  if (effect === 'none') return undefined;
  return effect === 'ends' || effect === 'narrows'
    ? { narrowedAt: now }
    : { revokedAt: now, restoredAt: now };
}

/** To be written after the change, for tokens that were made from the old state in between. */
export function markAfter(effect: Effect, now: number): NodeMark | undefined {
  // Nothing could be made from the old state of what had ended.
  if (effect === 'none' || effect === 'returns') return undefined;
  if (effect === 'restarts') return { revokedAt: now, restoredAt: now };
  return effect === 'ends' ? { revokedAt: now, narrowedAt: now } : { narrowedAt: now };
}

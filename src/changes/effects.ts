/**
 * What a change of a noun (an administered thing: an application, a role …) means for the living tokens below it, and
 * which marks its node gets before and after the change. `changes.ts` writes the change and the marks.
 */
import { isDeepStrictEqual } from 'node:util';
import { type CollectionName, declarationOf, fieldOf, type Nouns } from '../nouns/index.ts';
import type { FaceRights, FieldEffect } from '../nouns/noun.ts';
import type { NodeMark } from '../storage/contract.ts';

/**
 * - `ends`: everything below is dead until further notice;
 * - `returns`: it ended before; what is made after the change lives;
 * - `restarts`: what was made before the change is dead, what is made after it lives;
 * - `narrows`: what was made before the change is recomputed, stored ∩ current rights;
 * - `none`: nothing below can tell the difference.
 */
export type Effect = 'ends' | 'returns' | 'restarts' | 'narrows' | 'none';

/** @param after undefined: it is removed */
export function effectOf<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C] | undefined,
  faces: readonly FaceRights[],
): Effect {
  const { enabled, ...fields } = declarationOf(collection).fields;
  const effects = new Set(
    Object.entries(fields).map(([name, { effect }]) => effectOfField(effect, name, before, after, faces)),
  );
  const narrows = effects.has('narrows') ? 'narrows' : 'none';
  // Nothing hangs below such a noun.
  if (enabled.effect === 'none') return narrows;
  if (!after?.enabled) return !before.enabled ? narrows : enabled.effect === 'ends' ? 'ends' : 'narrows';
  if (!before.enabled) return enabled.effect === 'ends' ? 'returns' : 'narrows';
  return effects.has('restarts') ? 'restarts' : narrows;
}

/** Of one field that may have changed. */
function effectOfField(
  effect: FieldEffect,
  name: string,
  before: object,
  after: object | undefined,
  faces: readonly FaceRights[],
): FieldEffect {
  if (effect === 'none') return effect;
  const read = (noun: object): unknown => {
    const value = fieldOf(noun, name);
    return typeof effect === 'function' ? effect(value as never, faces) : value;
  };
  if (isDeepStrictEqual(read(before), after && read(after))) return 'none';
  return typeof effect === 'function' ? 'narrows' : effect;
}

/** Of what was made so far, which ends; what is made afterwards lives. @param now milliseconds */
export const restartedAt = (now: number): NodeMark => ({ revokedAt: now, restoredAt: now });

/**
 * To be written before the change. A crash right after the change must leave no rights alive, a change that fails must
 * not leave anything dead: so an end is announced as narrowing, because recomputing finds whether it has come.
 */
export function markBefore(effect: Effect, now: number): NodeMark | undefined {
  if (effect === 'none') return undefined;
  return effect === 'ends' || effect === 'narrows' ? { narrowedAt: now } : restartedAt(now);
}

/** To be written after the change, for tokens that were made from the old state in between. */
export function markAfter(effect: Effect, now: number): NodeMark | undefined {
  // Nothing could be made from the old state of what had ended.
  if (effect === 'none' || effect === 'returns') return undefined;
  if (effect === 'restarts') return restartedAt(now);
  return effect === 'ends' ? { revokedAt: now, narrowedAt: now } : { narrowedAt: now };
}

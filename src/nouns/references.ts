/** What nouns name: for the check that it is there, and for what keeps it from being removed. */
import { type CollectionName, declarationOf, fieldOf, type Nouns, nameOf } from './index.ts';
import type { Named } from './noun.ts';

export interface Reference extends Named {
  readonly field: string;
  /** Two nouns may name each other, so one is written while the other is not there yet. */
  readonly mayComeLater: boolean;
  /** The noun can be without it: a list of roles is shorter without a removed one. */
  readonly isOptional: boolean;
}

export function referencesOf<C extends CollectionName>(collection: C, noun: Nouns[C]): Reference[] {
  return Object.entries(declarationOf(collection).fields).flatMap(([field, facts]): Reference[] => {
    const { refersTo: kind, names, mayComeLater = false } = facts;
    const value = fieldOf(noun, field);
    if (value === undefined) return [];
    const named = kind ? [value].flat().map((to) => ({ kind, to: String(to) })) : names?.(value as never);
    const isOptional = Array.isArray(value) && kind !== undefined && kind !== 'resource';
    return (named ?? []).map((each) => ({ field, mayComeLater, isOptional, ...each }));
  });
}

/** By what others name it. */
export function referenceTo(collection: CollectionName, noun: Nouns[CollectionName]): string {
  return collection === 'resources' ? nameOf(noun) : noun.id;
}

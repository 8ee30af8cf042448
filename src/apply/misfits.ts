/** Tables, groups and columns that an apply file names, held against the catalogue of their resource. */
import { didYouMean } from '../errors/similar.ts';
import { type Catalogue, findProblems, namesIn } from '../permissions/catalogue.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { toGroup } from '../permissions/table-ids.ts';

/** To look for a similar name takes time with each of many tables. */
const MAX_HINTS = 10;

interface UnknownName {
  readonly name: string;
  /** ` (did you mean orders?)`, or nothing. */
  readonly hint: string;
}

/** Of these names, those that are not known. */
export function findUnknown(names: Iterable<string>, known: ReadonlySet<string>): UnknownName[] {
  return [...names]
    .filter((name) => !known.has(name))
    .map((name, index) => ({ name, hint: index < MAX_HINTS ? didYouMean(name, known) : '' }));
}

/** What does not fit of permissions on one table or group. */
export interface Misfit extends UnknownName {
  readonly kind: 'table' | 'group';
  /** A sentence; undefined: the resource does not have it. */
  readonly problem?: string;
}

export function findMisfits(permissions: Permissions, catalogue: Catalogue): Misfit[] {
  const found = findProblems(permissions, catalogue);
  const kindOf = (name: string): Misfit['kind'] => (toGroup(name) === undefined ? 'table' : 'group');
  const missing = found.flatMap(({ name, error }) => (error.code === 'unknown_table' ? [name] : []));
  const isMissing = new Set(missing);
  return [
    ...findUnknown(missing, namesIn(catalogue)).map((unknown) => ({
      ...unknown,
      kind: kindOf(unknown.name),
    })),
    ...found
      .filter(({ name }) => !isMissing.has(name))
      .map(({ name, error }) => ({ name, kind: kindOf(name), problem: error.message, hint: '' })),
  ];
}

/**
 * What changed when: whether something that was derived from nouns still holds. What it was derived from is named by ids of
 * nouns, by `all(…)` for a whole collection, and by `allOf(…)` for a collection within an organization.
 */

import type { CollectionName } from '../nouns/index.ts';
import type { DirectoryChange } from '../storage/contract.ts';

export interface Derived {
  /** The revision whose view was asked before the nouns were read. */
  readonly since: number;
  readonly from: readonly string[];
}

/** Changes kept in memory; when one is forgotten, all that was derived before it is read again. */
const CHANGES_KEPT = 20_000;

export const all = (collection: CollectionName): string => collection;
export const allOf = (collection: CollectionName, organization: string): string =>
  `${collection} of ${organization}`;

const anythingOf = (organization: string): string => `anything of ${organization}`;
const EVERYWHERE = 'everywhere';

export type Freshness = ReturnType<typeof createFreshness>;

export function createFreshness() {
  /** Oldest first. */
  const changedAt = new Map<string, number>();
  /** What changed up to this revision is unknown. */
  let floor = 0;

  function stamp(what: string, revision: number): void {
    changedAt.delete(what);
    changedAt.set(what, revision);
    if (changedAt.size <= CHANGES_KEPT) return;
    const [oldest] = changedAt;
    if (!oldest) return;
    changedAt.delete(oldest[0]);
    floor = oldest[1];
  }

  return {
    /** @param changes undefined: anything may have changed @param revision that covers them; it only grows */
    note(changes: readonly DirectoryChange[] | undefined, revision: number): void {
      if (!changes) {
        changedAt.clear();
        floor = revision;
      }
      for (const { collection, id, organization } of changes ?? []) {
        stamp(id, revision);
        stamp(all(collection), revision);
        stamp(organization === undefined ? EVERYWHERE : anythingOf(organization), revision);
        if (organization !== undefined) stamp(allOf(collection, organization), revision);
      }
    },
    /** Whether nothing of what it was derived from has changed after `since`. */
    holds: ({ since, from }: Derived): boolean =>
      since >= floor && from.every((what) => (changedAt.get(what) ?? 0) <= since),
    /** The revision of the last change that concerns one of the organizations. */
    lastChangeOf: (organizations: readonly string[]): number =>
      Math.max(
        floor,
        changedAt.get(EVERYWHERE) ?? 0,
        ...organizations.map((id) => changedAt.get(anythingOf(id)) ?? 0),
      ),
  };
}

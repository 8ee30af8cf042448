import type { Explanation, Step } from './kinds.ts';
import { type Cell, difference, intersect, type Permissions } from './permissions.ts';

/** One right that was there and is not any more. Admin, which is no cell, is spelled as in a scope: table `*`, `admin`. */
export type Removable = Cell | { readonly table: '*'; readonly action: 'admin' };

/**
 * Intersects named steps in their order (for instance requested, application, role, parent token) and says for each right
 * which step took it away first. Where admin is taken away, the cells that this step leaves instead can be taken away by
 * later ones. Throws `RangeError` without steps: nothing to intersect must not come out as everything.
 */
export function explainIntersection(
  steps: readonly Step<Permissions>[],
): Explanation<Permissions, Removable> {
  const [first, ...later] = steps;
  if (first === undefined) throw new RangeError('explainIntersection needs at least one step');
  let effective = first.permissions;
  const removed: (Removable & { readonly by: string })[] = [];
  for (const { name, permissions } of later) {
    const missing = difference(effective, permissions);
    if (missing.isAdmin) removed.push({ table: '*', action: 'admin', by: name });
    for (const cell of missing.cells) removed.push({ ...cell, by: name });
    effective = intersect(effective, permissions);
  }
  return { effective, removed };
}

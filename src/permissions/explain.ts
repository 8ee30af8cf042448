/** Which step of an intersection took a right away: the same for tables and for devices. */
import { type DeviceAccess, type DeviceRight, intersectAccess, missingAccess } from './device-access.ts';
import { type Alternative, type Cell, containsCell, meetCells } from './limits.ts';
import { difference, intersect, type NamedCell, type Permissions } from './permissions.ts';

/** A set that took part in an intersection, under the name by which people know it. */
export interface Step<Rights> {
  readonly name: string;
  readonly permissions: Rights;
}

/** The outcome of an intersection and, for each right lost on the way, the name of the step that lacked it first. */
export interface Explanation<Rights, Right> {
  readonly effective: Rights;
  readonly removed: readonly (Right & { readonly by: string })[];
}

/**
 * A right that a step took away, or narrowed. Admin, which is not a cell, is spelled as in a scope: table `*`, `admin`.
 */
export interface Removable extends Pick<NamedCell, 'table'> {
  readonly action: NamedCell['action'] | 'admin';
  /** The alternative that was there; absent for a right without limits. */
  readonly limit?: Alternative;
  /** What the step left of it; absent if that is nothing, or within another alternative that it left. */
  readonly remains?: Cell;
}

/** @throws RangeError without steps: nothing to intersect must not come out as everything */
function explain<Rights, Right extends object>(
  [first, ...later]: readonly Step<Rights>[],
  intersectBoth: (a: Rights, b: Rights) => Rights,
  missing: (had: Rights, left: Rights) => readonly Right[],
): Explanation<Rights, Right> {
  if (first === undefined) throw new RangeError('an explanation needs at least one step');
  let effective = first.permissions;
  const removed: (Right & { readonly by: string })[] = [];
  for (const { name, permissions } of later) {
    for (const right of missing(effective, permissions)) removed.push({ ...right, by: name });
    effective = intersectBoth(effective, permissions);
  }
  return { effective, removed };
}

function missingRights(had: Permissions, left: Permissions): readonly Removable[] {
  const { isAdmin, cells } = difference(had, left);
  if (isAdmin) return [{ table: '*', action: 'admin' }];
  return cells.flatMap(({ table, action }) => {
    const there = left.cell(table, action);
    const before = had.cell(table, action);
    const after = new Set(meetCells(before, there).cell.map(({ key }) => key));
    const gone = before.filter((limit) => !containsCell(there, [limit]));
    return gone.map((limit): Removable => {
      const remains = meetCells([limit], there).cell.filter(({ key }) => after.has(key));
      return { table, action, ...(!limit.isUnlimited && { limit }), ...(remains.length > 0 && { remains }) };
    });
  });
}

/**
 * Intersects named steps in their order (for instance requested, application, role, parent token) and says for each
 * right which step took it away first. Where admin is taken away, later steps can take away the cells that this step
 * leaves instead.
 * @throws RangeError without steps
 */
export function explainIntersection(
  steps: readonly Step<Permissions>[],
): Explanation<Permissions, Removable> {
  return explain(steps, intersect, missingRights);
}

/** The same for devices. @throws RangeError without steps */
export function explainAccess(steps: readonly Step<DeviceAccess>[]): Explanation<DeviceAccess, DeviceRight> {
  return explain(steps, intersectAccess, missingAccess);
}

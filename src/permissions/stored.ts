/** Permissions as rows keep them. */
import { type ActionMask, toActions } from './actions.ts';
import { PermissionsError } from './errors.ts';
import { createPermissions, EVERYTHING, type Permissions } from './permissions.ts';
import { requireTableId } from './table-ids.ts';

/** Permissions at rest. An array, because table ids may hold dots, dollars or `__proto__`, which document stores mangle. */
export interface StoredPermissions {
  readonly isAdmin: boolean;
  /** `actions` holds the letters c, r, u, d of what is allowed, in this order. */
  readonly tables: readonly { readonly table: string; readonly actions: string }[];
}

const LETTERS = 'crud';

/** Index is the action mask. */
const LETTERS_BY_MASK = Array.from({ length: 16 }, (_, mask) =>
  toActions(mask)
    .map((action) => action.charAt(0))
    .join(''),
);

export function toStored(permissions: Permissions): StoredPermissions {
  return {
    isAdmin: permissions.isAdmin,
    tables: Array.from(permissions.masks, ([table, mask]) => ({
      table,
      actions: LETTERS_BY_MASK[mask] as string,
    })),
  };
}

/**
 * Reads what `toStored` wrote, with no limit on the number of tables: a union of roles may be larger than any request.
 * Throws `PermissionsError` (malformed) rather than to guess what a damaged row allows.
 */
export function fromStored(stored: StoredPermissions): Permissions {
  const known = parsed.get(stored);
  if (known) return known;
  const permissions = parse(stored);
  parsed.set(stored, permissions);
  return permissions;
}

/** Nouns and rows never change, and many rows share one object. */
const parsed = new WeakMap<StoredPermissions, Permissions>();

function parse({ isAdmin, tables }: StoredPermissions): Permissions {
  if (typeof isAdmin !== 'boolean' || !Array.isArray(tables)) throw damaged();
  const cells = tables.map((row) => [requireTableId(row?.table), toMask(row?.actions)] as const);
  return isAdmin ? EVERYTHING : createPermissions(cells);
}

function toMask(letters: unknown): ActionMask {
  if (typeof letters !== 'string') throw damaged();
  let mask = 0;
  for (const letter of letters) {
    const index = LETTERS.indexOf(letter);
    if (index < 0) throw damaged();
    mask |= 1 << index;
  }
  return mask;
}

function damaged(): PermissionsError {
  return new PermissionsError('malformed', 'Stored permissions are damaged.');
}

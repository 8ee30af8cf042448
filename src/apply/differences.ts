/** What differs between two states of a noun, field by field, as an apply file has the fields. */

import { HiddenValue, type NameOf } from '../nouns/in-file.ts';
import type { CollectionName, Nouns } from '../nouns/index.ts';
import { limitedRights, spellLimit } from '../permissions/limit-texts.ts';
import { isEmpty, Permissions } from '../permissions/permissions.ts';
import { defined } from '../storage/defined.ts';
import { toShown } from './entries.ts';

export interface FieldDifference {
  /** As in the file: `permissions`, `token.ttl`. */
  readonly field: string;
  /** Absent for secrets, and where there was nothing. */
  readonly from?: string;
  /** Absent for secrets, and where nothing is left. */
  readonly to?: string;
}

/**
 * `orders: create read, products: read`. Rights with limits follow, with bars between:
 * `| orders: update where customer_id is {"$user": "id"}; columns id, total`.
 */
export function spellPermissions(permissions: Permissions): string {
  if (permissions.isAdmin) return 'admin';
  if (isEmpty(permissions)) return 'nothing';
  const whole = [...permissions.tables].map(([table, actions]) => `${table}: ${[...actions].join(' ')}`);
  const limited = limitedRights(permissions).map(
    ({ table, actions, limit }) => `${table}: ${actions.join(' ')} ${spellLimit(limit)}`,
  );
  return [...(whole.length > 0 ? [whole.join(', ')] : []), ...limited].join(' | ');
}

/** @param newSecret the field of a secret whose hash is still to be made */
export function findDifferences<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
  nameOf: NameOf,
  newSecret: string | undefined,
): FieldDifference[] {
  const [old, current] = [toShown(collection, before, nameOf), toShown(collection, after, nameOf)];
  return [...new Set([...Object.keys(old), ...Object.keys(current)])].flatMap((field) => {
    const [had, has] = [old[field], current[field]];
    if (had instanceof HiddenValue || has instanceof HiddenValue) {
      const isSame = (had as HiddenValue | undefined)?.value === (has as HiddenValue | undefined)?.value;
      return isSame && field !== newSecret ? [] : [{ field }];
    }
    const [from, to] = [toText(had), toText(has)];
    if (from === to) return [];
    return [{ field, ...defined({ from, to }) }];
  });
}

/** A value as reports show it. */
export function toText(value: unknown): string | undefined {
  if (value instanceof Permissions) return spellPermissions(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

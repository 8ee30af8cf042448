/** Rights for trying a guarded database: some to whole tables, some limited to columns and to values that rows have. */
import { ACTIONS, toBit } from '../permissions/actions.ts';
import { Alternative } from '../permissions/limits.ts';
import { createPermissions, EVERYTHING, type Permissions, type Right } from '../permissions/permissions.ts';
import { ALL_TABLES } from '../permissions/table-ids.ts';
import type { GuardedTable } from './model.ts';
import { declaredColumns } from './sql/conditions.ts';

/** From 0 to less than 1. */
export type Random = () => number;

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(random: Random, list: readonly T[]): T | undefined {
  return list[Math.floor(random() * list.length)];
}

/** @param valuesOf texts that rows have in a column */
export function randomRights(
  random: Random,
  tables: readonly GuardedTable[],
  valuesOf: (table: GuardedTable, column: string) => readonly string[],
): Permissions {
  const kind = random();
  if (kind < 0.03) return EVERYTHING;
  const rights: Right[] = kind < 0.06 ? [[ALL_TABLES, toBit(pick(random, ACTIONS) ?? 'read')]] : [];
  for (const table of tables) {
    for (const action of ACTIONS) {
      if (random() < 0.2) continue;
      if (random() < 0.25) rights.push([table.id, toBit(action)]);
      else
        for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) {
          const limit = randomLimit(random, table, action !== 'delete', (column) => valuesOf(table, column));
          if (limit) rights.push([table.id, toBit(action), limit]);
        }
    }
  }
  return createPermissions(rights);
}

function randomLimit(
  random: Random,
  table: GuardedTable,
  mayLimitColumns: boolean,
  valuesOf: (column: string) => readonly string[],
): Alternative | undefined {
  const names = declaredColumns(table).map(({ name }) => name);
  const chosen = names.filter(() => random() < 0.6);
  const columns = mayLimitColumns && chosen.length > 0 && random() < 0.5 ? chosen : undefined;
  const rows = names
    .filter(() => random() < 1.5 / names.length)
    .map((name) => {
      const values = valuesOf(name).filter((value) => value !== '');
      return [name, [1, 2, 3].flatMap(() => pick(random, values) ?? [])] as const;
    })
    .filter(([, values]) => values.length > 0);
  return columns || rows.length > 0 ? new Alternative(columns, rows) : undefined;
}

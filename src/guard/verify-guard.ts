/** Verifies a guarded database with the rights that the store has, and with random ones. */
import type { Resource } from '../nouns/index.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { resolveVariables } from '../permissions/variables.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Guard, GuardedTable } from './model.ts';
import { pick, type Random, randomOf, randomRights } from './random-rights.ts';
import type { Database } from './read-database.ts';
import { eachRight } from './stored-rights.ts';
import { type Row, readRows, type Verified, verifyTable } from './verify.ts';

/** Random tokens, beside one for each stored right. */
const RANDOM_TOKENS = 100;

/**
 * Everything that it does is rolled back.
 * @param database of a role that the policies do not bind
 * @param now milliseconds since 1970
 * @returns whole sentences
 */
export async function verifyGuard(
  database: Database,
  guard: Guard,
  resource: Resource,
  { store, now, seed }: { store: DirectoryStore; now: () => number; seed: number },
): Promise<{ isGood: boolean; lines: readonly string[] }> {
  const random = randomOf(seed);
  const { tables, lines } = await readTables(database, guard);
  const tokens: Permissions[] = [];
  for await (const right of eachRight(store, resource)) tokens.push(withValues(right, tables, random));
  const stored = tokens.length;
  for (let count = 0; count < RANDOM_TOKENS; count += 1) {
    tokens.push(
      randomRights(random, [...tables.keys()], (table, column) => valuesOf(tables.get(table) ?? [], column)),
    );
  }
  const verified: Verified = { cells: 0, undecided: 0, differences: [] };
  for (const permissions of tokens) {
    for (const [table, ofTable] of tables) {
      const role = pick(random, guard.clientRoles) ?? '';
      const shared = { database, guard, random, permissions, verified, now: Math.floor(now() / 1000) };
      await verifyTable({ ...shared, role, table, rows: ofTable });
    }
  }
  return {
    isGood: verified.differences.length === 0 && tables.size > 0,
    lines: [
      ...lines,
      ...verified.differences,
      `${verified.cells} verdicts for ${stored} stored and ${RANDOM_TOKENS} random rights (seed ${seed}): ${verified.differences.length} differ, and a constraint or a trigger came before ${verified.undecided}.`,
    ],
  };
}

type Tables = Map<GuardedTable, readonly Row[]>;

async function readTables(database: Database, guard: Guard): Promise<{ tables: Tables; lines: string[] }> {
  const tables: Tables = new Map();
  const lines: string[] = [];
  for (const table of guard.tables) {
    const found = await readRows(database, table);
    if (!found) lines.push(`The table ${table.id} has too many rows to be verified: verify a smaller copy.`);
    else if (found.length === 0) lines.push(`The table ${table.id} has no rows that could be verified.`);
    else tables.set(table, found);
  }
  return { tables, lines };
}

function valuesOf(rows: readonly Row[], column: string): string[] {
  return rows.flatMap((row) => row[column] ?? []);
}

/** What variables are worth is known of people and applications only; here they have values of the columns that they stand for. */
function withValues(right: Permissions, tables: Tables, random: Random): Permissions {
  const values = [...tables].flatMap(([{ id }, rows]) =>
    (right.limits.get(id) ?? [])
      .flat()
      .flatMap((limit) => [...limit.rows.keys()].flatMap((column) => valuesOf(rows, column))),
  );
  return resolveVariables(right, () => pick(random, values));
}

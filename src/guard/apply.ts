/** Runs a migration. */
import type { GuardPlan } from './plan.ts';
import type { Database } from './read-database.ts';
import { viewOf } from './sql/names.ts';

/** Inside a transaction, which its caller begins and ends. @returns whole sentences on what was done */
export async function applyMigration(database: Database, plan: GuardPlan): Promise<string[]> {
  const { guard, migration } = plan;
  // At once: tables are locked as long as it takes.
  await database.query(migration.statements.join('\n'));
  const tables = guard.tables.map((table) => {
    const { schema, name } = viewOf(guard, table);
    const what = table.isLimited ? 'rows and columns' : 'whole';
    return `  ${table.id}: through ${schema}.${name}, ${what}`;
  });
  return [
    migration.isApplied
      ? `Migration ${migration.number} has run again: the database had it already.`
      : `Migration ${migration.number} has run.`,
    guard.mode === 'report'
      ? 'PostgreSQL logs what tokens do not allow for these tables, and does not refuse it:'
      : 'PostgreSQL enforces what tokens allow for these tables:',
    ...tables,
  ];
}

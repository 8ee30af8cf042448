/** Whether a database is as the migration of today would make it. */
import { FINGERPRINT, type Fingerprint, VERSION_KEY } from './fingerprint.ts';
import type { Guard, GuardedTable } from './model.ts';
import type { GuardPlan } from './plan.ts';
import type { Database } from './read-database.ts';
import { viewOf } from './sql/names.ts';
import { qualified } from './sql/text.ts';

/** @returns whole sentences on what differs; none: nothing does */
export async function checkGuard(database: Database, plan: GuardPlan): Promise<string[]> {
  const { last, migration, guard, preflight } = plan;
  if (!last) return ['The database is not guarded: run guard with --apply.'];
  const refused = preflight.findings.flatMap(({ kind, says }) => (kind === 'refused' ? says : []));
  if (last.resource !== guard.resource) return refused;
  const told: string[] = [];
  if (!migration.isApplied) {
    told.push(
      `Guard would make another migration than ${last.number}, the last one of the database: its tables, the resource, the rights or the options are different. Run guard with --apply.`,
    );
    for (const table of guard.tables) told.push(...(await findNew(database, guard, table)));
  }
  return [...told, ...(await findChanged(database, last.fingerprint)), ...refused];
}

/** What of a table the last migration did not know. */
async function findNew(database: Database, guard: Guard, table: GuardedTable): Promise<string[]> {
  const unguarded = await database.query<{ name: string; isTable: boolean }>(
    `select relation::text as name, relation = $2::regclass as "isTable" from unnest($1::text[]::regclass[]) as relation
    where relation not in (select relation from grantable.before) order by 1`,
    [[table, ...table.children].map(qualified), qualified(table)],
  );
  if (unguarded.rows.some(({ isTable }) => isTable)) return [`The table ${table.id} is not guarded yet.`];
  const view = await database.query<{ name: string }>(
    'select attname as name from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped',
    [qualified(viewOf(guard, table))],
  );
  const triggers = await database.query(
    `select from pg_trigger where tgrelid = to_regclass($1) and tgname = 'grantable_write'`,
    [qualified(viewOf(guard, table))],
  );
  const known = unguarded.rows.map(({ name }) => `${name}, a part of ${table.id}, is not guarded yet.`);
  if (view.rows.length === 0) return known;
  const shown = new Set(view.rows.map(({ name }) => name));
  for (const { name } of table.columns)
    if (!shown.has(name)) known.push(`The view of ${table.id} does not have its column ${name}.`);
  if (table.isLimited !== triggers.rows.length > 0) {
    known.push(
      table.isLimited
        ? `Rights to ${table.id} may be limited to rows or columns, which its view does not know: such rights give nothing.`
        : `Rights to ${table.id} are not limited to rows or columns, and its view is made for such rights.`,
    );
  }
  return known;
}

async function findChanged(database: Database, recorded: Fingerprint): Promise<string[]> {
  const { rows } = await database.query<{ found: Fingerprint }>(`select (${FINGERPRINT}) as found`);
  const found = rows[0]?.found ?? {};
  if (found[VERSION_KEY] !== recorded[VERSION_KEY]) {
    return ['PostgreSQL was upgraded since the guard was applied. Run guard with --apply.'];
  }
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(found)])].sort();
  return names.flatMap((name) => {
    if (found[name] === recorded[name]) return [];
    if (recorded[name] === undefined)
      return `The ${name} was added since the guard was applied. Drop it, or run guard with --apply to keep it.`;
    const how = found[name] === undefined ? 'is gone' : 'was changed';
    return `The ${name} ${how} since the guard was applied. Run guard with --apply, which makes it anew.`;
  });
}

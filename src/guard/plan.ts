/** What a guard would do to a database: the migration, or why it cannot be; its text, and running it. */
import type { Resource } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Guard } from './model.ts';
import { type Applied, type NumberedMigration, numberMigration, readApplied } from './numbered.ts';
import { examineDatabase, type Preflight } from './preflight.ts';
import { type Database, readDatabase } from './read-database.ts';
import { READER, viewOf } from './sql/names.ts';
import { oneLine } from './sql/text.ts';
import { findLimitedTables } from './stored-rights.ts';

/** What the operator says beside the resource and the database. */
export type GuardOptions = Pick<
  Guard,
  'clientRoles' | 'exemptRoles' | 'viewSchema' | 'defaultSchema' | 'mode'
>;

export interface GuardPlan {
  readonly guard: Guard;
  /** The last migration that the database has. */
  readonly last: Applied | undefined;
  readonly migration: NumberedMigration;
  readonly preflight: Preflight;
  /** Whether the guard would not hold. */
  readonly isRefused: boolean;
}

/**
 * @param accept names of findings that the operator accepts
 * @param from the store with the rights, and the issuer of the tokens
 * @returns whole sentences, if the database is not what the resource says
 */
export async function planGuard(
  database: Database,
  resource: Resource,
  options: GuardOptions,
  accept: readonly string[],
  { store, issuer }: { readonly store: DirectoryStore; readonly issuer: string },
): Promise<GuardPlan | { readonly problems: readonly string[] }> {
  const limited = await findLimitedTables(store, resource);
  const { tables, problems } = await readDatabase(database, resource.tables, {
    defaultSchema: options.defaultSchema,
    isLimited: (id) => limited.has(id),
  });
  if (problems.length > 0) return { problems };
  if (tables.length === 0) return { problems: ['The resource has no tables: import them before.'] };
  const serverVersion = await readVersion(database);
  const guard = { ...options, issuer, resource: resource.identifier, tables, serverVersion };
  const last = await readApplied(database);
  const preflight = await examineDatabase(database, guard, last, accept);
  const isRefused = preflight.findings.some(({ kind }) => kind === 'refused');
  return { guard, last, preflight, isRefused, migration: numberMigration(guard, preflight.accepted, last) };
}

async function readVersion(database: Database): Promise<number> {
  const { rows } = await database.query<{ version: number }>(
    `select current_setting('server_version_num')::integer as version`,
  );
  return rows[0]?.version ?? 0;
}

/** Inside a transaction, which its caller begins and ends. @returns whole sentences on what was done */
export async function applyMigration(database: Database, plan: GuardPlan): Promise<string[]> {
  const { guard, migration } = plan;
  // At once: tables are locked as long as it takes.
  await database.query(migration.statements.join('\n'));
  const tables = guard.tables.map((table) => {
    const { schema, name } = viewOf(guard, table);
    return `  ${table.id}: through ${schema}.${name}, ${table.isLimited ? 'rows and columns' : 'whole'}`;
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

/** The migration as operators keep and run it: one transaction under a header. @param name `organization/resource` */
export function writeText(
  { migration: { number, statements, isApplied }, guard, preflight: { accepted } }: GuardPlan,
  name: string,
): string {
  const { resource, issuer, tables, clientRoles, exemptRoles, mode } = guard;
  const listed = (names: readonly string[]) => names.map(oneLine).join(', ') || 'none';
  const header = [
    `Migration ${number} of ${oneLine(name)}, by grantable guard postgres`,
    isApplied && 'The database has it: running it again changes nothing.',
    mode === 'report'
      ? 'PostgreSQL logs what tokens do not allow, and does not refuse it.'
      : 'PostgreSQL allows client roles what the token of the request allows, and nothing else.',
    '',
    `Issuer of the tokens:  ${oneLine(issuer)}`,
    `Resource (aud):        ${oneLine(resource)}`,
    `Tables:                ${tables.length}, ${tables.filter(({ isLimited }) => isLimited).length} of them with rights to some rows or columns`,
    `Client roles:          ${listed(clientRoles)}`,
    `Exempt roles:          ${listed(exemptRoles)}`,
    accepted.length > 0 && `Accepted:              ${listed(accepted)}`,
    '',
    `Run it as the owner of the tables, with the right to create roles and schemas: psql -v ON_ERROR_STOP=1 -f FILE`,
    `It can be run again. grantable guard postgres ${oneLine(name)} --undo writes what takes it back, ${READER} too.`,
  ];
  const comments = header.filter((line) => line !== false).map((line) => `-- ${line}`.trimEnd());
  return [...comments, '', 'BEGIN;', '', ...statements.flatMap((each) => [each, '']), 'COMMIT;', ''].join(
    '\n',
  );
}

/**
 * What is looked at before a database is guarded: whatever would let a request reach a guarded table past the views and policies.
 * Each finding that refuses says what to do.
 */
import { didYouMean } from '../errors/similar.ts';
import { listSome } from '../errors/texts.ts';
import type { Guard } from './model.ts';
import type { Applied } from './numbered.ts';
import {
  type Check,
  type Examined,
  type Finding,
  note,
  readRights,
  readRoles,
  refused,
} from './preflight/examined.ts';
import { findCompiled, listTreated, ROLE_CHECKS } from './preflight/roles.ts';
import { SCHEMA_CHECKS } from './preflight/schemas.ts';
import { findCascades, WAY_CHECKS } from './preflight/ways-around.ts';
import type { Database } from './read-database.ts';
import { relationsOf, SCHEMA } from './sql/names.ts';

export type { Finding } from './preflight/examined.ts';

export interface Preflight {
  /** A line for each role that has rights on the tables. */
  readonly roles: readonly string[];
  readonly findings: readonly Finding[];
  /** Names of what was found and is accepted, in order. */
  readonly accepted: readonly string[];
}

/** In the order in which they are told. */
const CHECKS: readonly Check[] = [
  findOtherGuard,
  findForeignSchema,
  ...ROLE_CHECKS,
  ...WAY_CHECKS,
  ...SCHEMA_CHECKS,
  findCascades,
  findLeftTables,
  findLimits,
  findCompiled,
];

/**
 * @param last the migration that the database has: what was accepted stays accepted
 * @param accept names that the operator accepts
 */
export async function examineDatabase(
  database: Database,
  guard: Guard,
  last: Applied | undefined,
  accept: readonly string[],
): Promise<Preflight> {
  const roles = await readRoles(database, guard);
  const examined = { database, guard, last, roles, rights: await readRights(database, guard) };
  const all: Finding[] = [];
  for (const check of CHECKS) all.push(...(await check(examined)));
  const names = all.flatMap(({ name }) => name ?? []);
  const accepted = names.filter((name) => accept.includes(name) || last?.accepted.includes(name)).sort();
  const unknown = accept
    .filter((name) => !names.includes(name))
    .map((name) => refused(`There is no ${name} to accept${didYouMean(name, names)}.`));
  const open = all.filter(({ name }) => name === undefined || !accepted.includes(name));
  return { roles: listTreated(examined), findings: [...open, ...unknown], accepted };
}

function findOtherGuard({ guard, last }: Examined): Finding[] {
  if (!last || last.resource === guard.resource) return [];
  return [
    refused(
      `The database is guarded for another resource, ${last.resource}. One database guards one resource: undo that guard before.`,
    ),
  ];
}

async function findForeignSchema({ database, last }: Examined): Promise<Finding[]> {
  if (last) return [];
  const { rows } = await database.query('select from pg_namespace where nspname = $1', [SCHEMA]);
  return rows.map(() => refused(`There is a schema ${SCHEMA} that guard did not make. Rename or drop it.`));
}

/** Tables that an earlier migration guards, and the resource does not have. */
async function findLeftTables({ database, guard, last }: Examined): Promise<Finding[]> {
  if (!last) return [];
  const { rows } = await database.query<{ name: string }>(
    `select relation::text as name from grantable.before join pg_class on oid = relation
    where relkind in ('r', 'p') and relation <> all ($1::regclass[]) order by 1`,
    [relationsOf(guard)],
  );
  return rows.map(({ name }) =>
    note(
      `${name} is guarded by an earlier migration, and not a table of the resource: it stays guarded as it was. Undo the guard and apply it again to release it.`,
    ),
  );
}

function findLimits({ guard }: Examined): Finding[] {
  const limited = guard.tables.filter(({ isLimited }) => isLimited);
  if (limited.length === 0) return [];
  const ids = limited.map(({ id }) => id).join(', ');
  const keyless = limited.filter(({ key }) => key.length === 0).map(({ id }) => id);
  const findings = [
    note(
      `Rights to ${ids} may be limited to rows or columns: ON CONFLICT and MERGE do not work on the views of these tables.`,
    ),
  ];
  if (keyless.length > 0)
    findings.push(
      note(`${listSome(keyless, 10)} has no primary key: clients cannot update or delete its rows.`),
    );
  return findings;
}

/** Schemas in which clients could put objects of their own in front of others. */
import type { Guard } from '../model.ts';
import { SCHEMA, viewSchemaOf } from '../sql/names.ts';
import { identifier } from '../sql/text.ts';
import { type Check, type Examined, type Finding, note, refused, some } from './examined.ts';

/** What PostgreSQL has unless something else is set. */
const DEFAULT_PATH = '"$user", public';

/** @returns names as they are, without quotes */
export function readPath(path: string): string[] {
  return Array.from(path.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain as string).toLowerCase() : quoted.replaceAll('""', '"'),
  );
}

async function findCreatable({ database, guard, roles }: Examined): Promise<Finding[]> {
  const paths = await database.query<{ role: string | null; path: string }>(
    `select case when setrole <> 0 then pg_get_userbyid(setrole) end as role, substr(setting, length('search_path=') + 1) as path
    from pg_db_role_setting, unnest(setconfig) as setting
    where setting like 'search_path=%' and setdatabase in (0, (select oid from pg_database where datname = current_database()))
    union all
    select null, reset_val from pg_settings where name = 'search_path'`,
  );
  const pairs = roles.plain.flatMap((role) => {
    const set = paths.rows.filter((each) => each.role === null || roles.bound.includes(each.role));
    const found = [DEFAULT_PATH, ...set.map(({ path }) => path)].flatMap(readPath);
    const names = found.map((schema) => (schema === '$user' ? role : schema));
    return [...new Set([...names, ...ourSchemas(guard)])].map((schema) => ({ role, schema }));
  });
  const { rows } = await database.query<{ role: string; schema: string; ofPublic: boolean }>(
    `select role, nspname as schema,
      exists (select from aclexplode(nspacl) where grantee = 0 and privilege_type = 'CREATE') as "ofPublic"
    from unnest($1::text[], $2::text[]) as pair (role, schema) join pg_namespace on nspname = schema
    where has_schema_privilege(role, pg_namespace.oid, 'CREATE') order by 2, 1`,
    [pairs.map(({ role }) => role), pairs.map(({ schema }) => schema)],
  );
  return [...Map.groupBy(rows, ({ schema }) => schema)].map(([schema, found]) => {
    const names = found.map(({ role }) => role);
    const from = found.some(({ ofPublic }) => ofPublic) ? 'PUBLIC' : names.map(identifier).join(', ');
    return refused(
      `${some(names)} may create objects in the schema ${schema}, in which requests look for names: a function there could stand in for another. Run REVOKE CREATE ON SCHEMA ${identifier(schema)} FROM ${from}.`,
    );
  });
}

function ourSchemas(guard: Guard): string[] {
  return [SCHEMA, ...guard.tables.flatMap(({ schema }) => [schema, viewSchemaOf(guard, schema)])];
}

/** A schema of its own could have the name of a role, which comes first in the usual search path. */
async function findDatabaseRights({ database, roles }: Examined): Promise<Finding[]> {
  const { rows } = await database.query<{ role: string; creates: boolean; temporary: boolean; name: string }>(
    `select role, current_database() as name, has_database_privilege(role, current_database(), 'CREATE') as creates,
      has_database_privilege(role, current_database(), 'TEMP') as temporary
    from unnest($1::text[]) as role order by 1`,
    [roles.plain],
  );
  const name = identifier(rows[0]?.name ?? '');
  const findings = rows
    .filter(({ creates }) => creates)
    .map(({ role }) =>
      refused(
        `${role} may create schemas in the database. Run REVOKE CREATE ON DATABASE ${name} FROM ${identifier(role)}.`,
      ),
    );
  const temporary = rows.filter(({ temporary }) => temporary).map(({ role }) => role);
  if (temporary.length > 0) {
    findings.push(
      note(
        `${some(temporary)} may create temporary tables, which come first in searches. Run REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC unless they are needed.`,
      ),
    );
  }
  return findings;
}

/** What ended is for `guard follow`: a role that writes it can bring ended tokens back. */
async function findRightsToEnded({ database, roles }: Examined): Promise<Finding[]> {
  const { rows } = await database.query<{ role: string; relation: string }>(
    `select role, relation::text from unnest($1::text[]) as role,
      unnest(array[to_regclass($2), to_regclass($3)]) as relation
    where relation is not null
      and (has_table_privilege(role, relation, 'DELETE,TRUNCATE') or has_any_column_privilege(role, relation, 'SELECT,INSERT,UPDATE'))
    order by 1, 2`,
    [roles.plain, `${SCHEMA}.ended`, `${SCHEMA}.feed`],
  );
  return [...Map.groupBy(rows, ({ role }) => role)].map(([role, found]) => {
    const tables = found.map(({ relation }) => relation).join(', ');
    return refused(
      `${role} may use ${tables}, which says what has ended. Revoke this from it and from PUBLIC: guard follow has a role of its own.`,
    );
  });
}

/** Tables of the future are not guarded until guard runs again. */
async function findDefaultPrivileges({ database, guard }: Examined): Promise<Finding[]> {
  const { rows } = await database.query<{ role: string; grantee: string; schema: string | null }>(
    `select distinct pg_get_userbyid(defaclrole) as role, nspname as schema,
      case when grantee = 0 then 'PUBLIC' else pg_get_userbyid(grantee) end as grantee
    from pg_default_acl left join pg_namespace on pg_namespace.oid = defaclnamespace, aclexplode(defaclacl)
    where defaclobjtype = 'r' and (nspname is null or nspname = any ($1::text[]))
      and (grantee = 0 or pg_get_userbyid(grantee) = any ($2::text[])) order by 1, 2, 3`,
    [guard.tables.map(({ schema }) => schema), guard.clientRoles],
  );
  return rows.map(({ role, grantee, schema }) =>
    note(
      `A table that ${role} makes ${schema === null ? '' : `in the schema ${schema} `}gives ${grantee} rights at once, before guard knows it. Take the default privilege back (ALTER DEFAULT PRIVILEGES).`,
    ),
  );
}

export const SCHEMA_CHECKS: readonly Check[] = [
  findCreatable,
  findDatabaseRights,
  findRightsToEnded,
  findDefaultPrivileges,
];

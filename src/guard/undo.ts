/** What takes a guard back, from what the database remembers: the resource and its tables may be others today. */
import type { Fingerprint } from './fingerprint.ts';
import type { Applied } from './numbered.ts';
import type { Database } from './read-database.ts';
import { READER, SCHEMA } from './sql/names.ts';
import { identifier, literal } from './sql/text.ts';

/** @param last the migration that the database has @returns statements for one transaction */
export async function undoStatements(database: Database, last: Applied): Promise<string[]> {
  const { objects, schema } = await ownSchema(database, last.fingerprint);
  return [
    `set local search_path = '';`,
    `set local lock_timeout = '5s';`,
    ...(await dropped(database, VIEWS)),
    ...(await dropped(database, POLICIES)),
    ...(await dropped(database, ROW_SECURITY)),
    ...(await regranted(database)),
    ...objects,
    ...(await dropped(database, VIEW_SCHEMAS)),
    schema,
    DROP_READER,
  ];
}

export function writeUndo(statements: readonly string[], { number, resource }: Applied): string {
  return [
    `-- Takes back guard ${number} of ${JSON.stringify(resource)}: afterwards PostgreSQL does not enforce tokens.`,
    '-- Run it as the role that ran the migration: psql -v ON_ERROR_STOP=1 -f FILE',
    '',
    'BEGIN;',
    ...statements,
    'COMMIT;',
    '',
  ].join('\n');
}

/** @param query gives statements */
async function dropped(database: Database, query: string): Promise<string[]> {
  const { rows } = await database.query<{ statement: string }>(query);
  return rows.map(({ statement }) => statement);
}

const IS_READERS = `relowner = (select oid from pg_roles where rolname = ${literal(READER)})`;

const VIEWS = `select format('drop view %s;', oid::regclass) as statement
from pg_class where relkind = 'v' and ${IS_READERS} order by 1`;

const POLICIES = `select format('drop policy %I on %s;', polname, polrelid::regclass) as statement
from pg_policy where polname ~ '^grantable_(?:allow|create|read|update|delete)$'
  and polrelid in (select relation from grantable.before)
order by 1`;

const ROW_SECURITY = `select format('alter table %s %s;', relation, concat_ws(', ',
    case when not had_row_security and relrowsecurity then 'disable row level security' end,
    case when not had_force and relforcerowsecurity then 'no force row level security' end)) as statement
from grantable.before join pg_class on oid = relation
where not had_row_security and relrowsecurity or not had_force and relforcerowsecurity
order by 1`;

/** Those that the migration made, if they are empty but for its views. */
const VIEW_SCHEMAS = `select format('drop schema %I;', name) as statement
from grantable.schemas_before join pg_namespace on nspname = name
where not existed
  and not exists (select from pg_class where relnamespace = pg_namespace.oid and not (relkind = 'v' and ${IS_READERS}))
  and not exists (select from pg_proc where pronamespace = pg_namespace.oid)
order by 1`;

interface Difference {
  /** `table public.orders` */
  readonly target: string;
  readonly column: string | null;
  readonly privilege: string;
  readonly grantee: string | null;
  readonly grantor: string;
  readonly owner: string;
  readonly isGrantable: boolean;
}

const privilegesOf = (which: 'before' | 'after'): string => {
  const list = (before: string, after: string, kind: string, owner: string) =>
    `aclexplode(coalesce(${which === 'before' ? before : after}, acldefault(${kind}, ${owner}))) as acl`;
  const who = `case when acl.grantee <> 0 then pg_get_userbyid(acl.grantee) end, pg_get_userbyid(acl.grantor)`;
  const columns =
    which === 'before'
      ? `select target, said ->> 'column', said ->> 'privilege', said ->> 'grantee', said ->> 'grantor', owner, (said ->> 'grantable')::boolean
      from guarded, jsonb_array_elements(column_privileges) as said`
      : `select target, attname, acl.privilege_type, ${who}, owner, acl.is_grantable
      from guarded join pg_attribute on attrelid = oid, aclexplode(attacl) as acl`;
  return `select target, null as "column", acl.privilege_type as privilege, ${who}, owner, acl.is_grantable
    from guarded, ${list('privileges', 'relacl', 'kind', 'relowner')}
    union all
    ${columns}
    union all
    select format('schema %I', name), null, acl.privilege_type, ${who}, pg_get_userbyid(nspowner), acl.is_grantable
    from grantable.schemas_before join pg_namespace on nspname = name,
      ${list('privileges', 'nspacl', `'n'::"char"`, 'nspowner')}
    where existed`;
};

const GUARDED = `guarded as (
  select pg_class.*, before.privileges, before.column_privileges, pg_get_userbyid(relowner) as owner,
    case relkind when 'S' then 's' else 'r' end::"char" as kind,
    case relkind when 'S' then 'sequence ' else 'table ' end || relation as target
  from grantable.before join pg_class on oid = relation
)`;

const COLUMNS = '(target, "column", privilege, grantee, grantor, owner, "isGrantable")';

/** Privileges that roles had before and lost, and those that the owner of the views and clients were given. */
async function regranted(database: Database): Promise<string[]> {
  const difference = async (first: 'before' | 'after', second: 'before' | 'after', where: string) => {
    const { rows } = await database.query<Difference>(
      `with ${GUARDED}, difference ${COLUMNS} as ((${privilegesOf(first)}) except (${privilegesOf(second)}))
      select * from difference where ${where} order by target, grantee, "column", privilege`,
    );
    return rows;
  };
  const isThere = `grantee is null or grantee in (select rolname from pg_roles)`;
  const lost = await difference('before', 'after', isThere);
  const given = await difference(
    'after',
    'before',
    `grantee = ${literal(READER)} or (target not like 'table %' and grantee in (
      select pg_get_userbyid(client.grantee) from pg_class, aclexplode(relacl) as client where relkind = 'v' and ${IS_READERS}
    ))`,
  );
  return [
    ...given.map((each) => `revoke ${what(each)} from ${identifier(each.grantee as string)};`),
    ...lost.map((each) => {
      const to = each.grantee === null ? 'public' : identifier(each.grantee);
      const grant = `grant ${what(each)} to ${to}${each.isGrantable ? ' with grant option' : ''};`;
      return each.grantor === each.owner ? grant : `-- As the role ${JSON.stringify(each.grantor)}: ${grant}`;
    }),
  ];
}

function what({ privilege, column, target }: Difference): string {
  return `${privilege}${column === null ? '' : ` (${identifier(column)})`} on ${target}`;
}

/** Functions and tables of the schema `grantable` that the migration made, and the schema, unless others have something in it. */
async function ownSchema(
  database: Database,
  made: Fingerprint,
): Promise<{ objects: string[]; schema: string }> {
  const { rows } = await database.query<{ what: string; statement: string }>(
    `select 'function ' || oid::regprocedure as what, format('drop function %s;', oid::regprocedure) as statement
    from pg_proc where pronamespace = $1::regnamespace
    union all
    select case relkind when 'r' then 'table ' else 'other ' end || oid::regclass, format('drop table %s;', oid::regclass)
    from pg_class where relnamespace = $1::regnamespace and relkind not in ('i', 't')
    order by 2`,
    [SCHEMA],
  );
  const own = rows.filter((each) => Object.hasOwn(made, each.what));
  return {
    objects: own.map(({ statement }) => statement),
    schema:
      own.length === rows.length
        ? `drop schema ${SCHEMA};`
        : `-- The schema ${SCHEMA} has objects of others: it stays.`,
  };
}

/** Another database of the server may be guarded too. */
const DROP_READER = `do $$ begin
  if not exists (
    select from pg_shdepend
    where refclassid = 'pg_authid'::regclass and refobjid = (select oid from pg_roles where rolname = ${literal(READER)})
  ) then
    drop role if exists ${READER};
  end if;
end $$;`;

/** The whole migration, in the order in which it runs. */
import type { Guard, GuardedTable } from '../model.ts';
import { cellFunctions } from './functions/cells.ts';
import { claimFunctions } from './functions/claims.ts';
import { ROW_FUNCTIONS } from './functions/rows.ts';
import { valueFunctions } from './functions/values.ts';
import { READER, SCHEMA, viewSchemaOf } from './names.ts';
import { policies } from './policies.ts';
import { identifier, literal, qualified } from './text.ts';
import { view } from './views.ts';
import { writer } from './writers.ts';

/** Statements that make the database as `guard` says, from any state that an earlier migration left; for one transaction. */
export function migration(guard: Guard): string[] {
  return [
    `set local search_path = '';`,
    MAKE_READER,
    `create schema if not exists ${SCHEMA};`,
    ...BOOKS,
    ...rememberSchemas(guard),
    ...schemas(guard),
    // Each after those that it calls.
    ...valueFunctions(guard.serverVersion),
    ...claimFunctions(guard),
    ...cellFunctions(guard),
    ...ROW_FUNCTIONS,
    ...guard.tables.flatMap((table) => [
      `-- ${table.schema}.${table.name}`.replaceAll(/[\r\n]/g, ' '),
      ...remember(table),
      ...policies(guard, table),
      ...privileges(guard, table),
      ...view(guard, table),
      ...writer(guard, table),
    ]),
    ...[SCHEMA, ...viewSchemas(guard)].map(
      (schema) => `revoke create on schema ${identifier(schema)} from ${READER};`,
    ),
    // Default privileges may say otherwise.
    `revoke all on all tables in schema ${SCHEMA} from ${['public', ...guard.clientRoles.map(identifier)].join(', ')};`,
  ];
}

/**
 * A role that is not a superuser must be a member of the one that it gives views to, with the rights of that one. Managed services
 * have no superuser: one that may make no roles can use what another role prepared.
 */
const MAKE_READER = `do $$ begin
  if not exists (select from pg_roles where rolname = ${literal(READER)}) then create role ${READER} nologin; end if;
  -- From 16 on, a role that makes another one is not a member that has its rights.
  if not pg_has_role(current_user, ${literal(READER)}, 'USAGE') or not pg_has_role(current_user, ${literal(READER)},
    case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end) then
    execute format('grant ${READER} to %I', current_user);
  end if;
exception when insufficient_privilege then
  raise exception using errcode = 'insufficient_privilege', message = format(
    '%s. Run as a role that may make roles, unless it is there: CREATE ROLE ${READER} NOLOGIN; GRANT ${READER} TO %I', sqlerrm, current_user);
end $$;`;

function viewSchemas(guard: Guard): string[] {
  return [...new Set(guard.tables.map(({ schema }) => viewSchemaOf(guard, schema)))];
}

/** The reader may create in them until it owns what is its own. */
function schemas(guard: Guard): string[] {
  return [
    `grant usage on schema ${SCHEMA} to public;`,
    `grant create on schema ${SCHEMA} to ${READER};`,
    ...viewSchemas(guard).flatMap((schema) => [
      `create schema if not exists ${identifier(schema)};`,
      `grant usage on schema ${identifier(schema)} to ${[READER, ...guard.clientRoles].map(identifier).join(', ')};`,
      `grant create on schema ${identifier(schema)} to ${READER};`,
    ]),
    ...[...new Set(guard.tables.map(({ schema }) => schema))].map(
      (schema) => `grant usage on schema ${identifier(schema)} to ${READER};`,
    ),
  ];
}

/** What was ended and narrowed, kept by `guard follow`; what was done, and what there was before. */
const BOOKS = [
  `create table if not exists grantable.ended (
  node text primary key, revoked_at bigint, restored_at bigint, narrowed_at bigint, exp bigint not null
);`,
  `create index if not exists ended_exp on grantable.ended (exp);`,
  `create table if not exists grantable.feed (
  is_only boolean primary key default true check (is_only), issuer text not null, resource text not null,
  cursor text not null, heard_at timestamptz not null, max_silence integer not null
);`,
  `create table if not exists grantable.migrations (
  number integer primary key, resource text not null, sha256 text not null, fingerprint text, accepted text[] not null default '{}',
  applied_at timestamptz not null default now(), applied_by name not null default current_user
);`,
  `create table if not exists grantable.before (
  relation regclass primary key, had_row_security boolean not null, had_force boolean not null, privileges aclitem[],
  column_privileges jsonb
);`,
  `create table if not exists grantable.schemas_before (
  name name primary key, existed boolean not null, privileges aclitem[]
);`,
];

function rememberSchemas(guard: Guard): string[] {
  const names = [...guard.tables.map(({ schema }) => schema), ...viewSchemas(guard)];
  return [...new Set(names)].map(
    (name) => `insert into grantable.schemas_before
  select wanted, nspname is not null, nspacl from (values (${literal(name)}::name)) as schema (wanted) left join pg_namespace on nspname = wanted
  on conflict do nothing;`,
  );
}

/** By names of roles, which live longer than their numbers. */
const COLUMN_PRIVILEGES = `(
    select jsonb_agg(jsonb_build_object('column', attname, 'privilege', privilege_type, 'grantable', is_grantable,
      'grantee', case when grantee <> 0 then pg_get_userbyid(grantee) end, 'grantor', pg_get_userbyid(grantor)))
    from pg_attribute, aclexplode(attacl) where attrelid = pg_class.oid
  )`;

function remember(table: GuardedTable): string[] {
  return [table, ...table.children, ...table.sequences].map(
    (each) => `insert into grantable.before
  select oid, relrowsecurity, relforcerowsecurity, relacl, ${COLUMN_PRIVILEGES}
  from pg_class where oid = ${literal(qualified(each))}::regclass
  on conflict do nothing;`,
  );
}

function privileges(guard: Guard, table: GuardedTable): string[] {
  const clients = guard.clientRoles.map(identifier).join(', ');
  const grantSequences = (to: string) =>
    table.sequences.map((sequence) => `grant usage on sequence ${qualified(sequence)} to ${to};`);
  return [
    `grant select, insert, update, delete on ${qualified(table)} to ${READER};`,
    ...grantSequences(READER),
    // A simple view takes defaults as its caller.
    ...(table.isLimited ? [] : grantSequences(clients)),
    ...(guard.mode === 'report'
      ? []
      : [table, ...table.children].map((each) => `revoke all on ${qualified(each)} from ${clients};`)),
  ];
}

/** Roles that have rights on the tables, and roles that could become others. */
import { didYouMean } from '../../errors/similar.ts';
import { listSome } from '../../errors/texts.ts';
import { READER } from '../sql/names.ts';
import { identifier } from '../sql/text.ts';
import { type Check, type Examined, type Finding, note, type Right, refused, some } from './examined.ts';

function findMissingRoles({ guard, roles }: Examined): Finding[] {
  const named = [...guard.clientRoles, ...guard.exemptRoles];
  const missing = named
    .filter((role) => !roles.all.has(role))
    .map((role) => refused(`The database has no role ${role}${didYouMean(role, roles.all.keys())}.`));
  if (!named.includes(READER)) return missing;
  const ours = `The role ${READER} belongs to guard: name it neither in --for nor in --exempt.`;
  return [...missing, refused(ours)];
}

const tablesOf = (rights: readonly Right[]): string => some(rights.map(({ relation }) => relation));

function byGrantee({ rights }: Examined): [grantee: string | null, held: Right[]][] {
  const held = rights.filter(({ grantee }) => grantee !== READER);
  return [...Map.groupBy(held, ({ grantee }) => grantee)];
}

/** How each role with rights on the tables would be treated, in order. */
export function listTreated(examined: Examined): string[] {
  const lines = byGrantee(examined).map(([grantee, held]) => {
    if (grantee === null) return `PUBLIC: refused, every role has rights on ${tablesOf(held)}`;
    return `${grantee}: ${treatment(grantee, examined) ?? `refused, it has rights on ${tablesOf(held)}`}`;
  });
  return lines.sort();
}

function treatment(name: string, { guard, roles }: Examined): string | undefined {
  if (guard.clientRoles.includes(name)) return 'client, gets what the token of the request allows';
  if (guard.exemptRoles.includes(name)) return 'exempt, tokens do not bind it';
  if (roles.all.get(name)?.isSuperuser) return 'superuser, policies do not bind it';
  return roles.unbound.has(name) ? 'BYPASSRLS, policies do not bind it' : undefined;
}

function findRights(examined: Examined): Finding[] {
  return byGrantee(examined).flatMap(([grantee, held]) => {
    const tables = tablesOf(held);
    if (grantee !== null && treatment(grantee, examined) !== undefined) return [];
    return refused(
      grantee === null
        ? `Every role has rights on ${tables}. Run REVOKE ALL ON ${tables} FROM PUBLIC, and grant them to roles.`
        : `The role ${grantee} has rights on ${tables}, and is neither in --for nor in --exempt. Name it in one of them, or revoke its rights.`,
    );
  });
}

/** The owner of a table revokes only what it granted itself. */
function findRightsOfOthers({ rights, guard }: Examined): Finding[] {
  const isClient = (role: string | null) => role !== null && guard.clientRoles.includes(role);
  const found = rights.filter(
    ({ owner, grantor, grantee }) => grantor !== owner && (isClient(grantee) || isClient(grantor)),
  );
  const byRoles = Map.groupBy(found, ({ grantee, grantor }) => `${grantor} granted rights to ${grantee}`);
  return Array.from(byRoles, ([who, held]) =>
    refused(
      `The role ${who} on ${tablesOf(held)}, which the owner of the table cannot revoke. Revoke them as the role that granted them.`,
    ),
  );
}

/** Members of exempt roles have their rights, and are not exempt under their own names. */
function findHeirs({ guard: { exemptRoles, clientRoles }, roles }: Examined): Finding[] {
  const treated = roles.unbound.union(new Set([...exemptRoles, ...clientRoles]));
  return [...roles.all.keys()].flatMap((name) => {
    const from = exemptRoles.filter((role) => roles.reach(name).has(role));
    if (treated.has(name) || from.length === 0) return [];
    return note(
      `The role ${name} has the rights of ${some(from)}, which is exempt. Under its own name it is not exempt and sees no row without a token; name it in --exempt if it should.`,
    );
  });
}

/** Roles of PostgreSQL itself that reach tables, or everything. */
const POWERFUL = new Set([
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
  'pg_maintain',
]);

/** Client roles, and logins that become one, must have no way to be a role that policies do not bind. */
function findUnbound({ guard, roles, rights }: Examined): Finding[] {
  const reasons = (name: string): string[] => {
    const role = roles.all.get(name);
    const isOwner = rights.some(({ privilege, owner }) => privilege === 'ownership' && owner === name);
    return [
      role?.isSuperuser && 'is a superuser',
      role?.bypassesPolicies && 'has BYPASSRLS',
      role?.makesRoles && 'has CREATEROLE and so may become other roles',
      role?.replicates && 'has REPLICATION and so may read all that is written',
      isOwner && 'owns a guarded table',
      guard.exemptRoles.includes(name) && 'is exempt',
      name === READER && 'owns the views',
      POWERFUL.has(name) && 'reaches all tables',
    ].filter((reason) => typeof reason === 'string');
  };
  return roles.bound.flatMap((name) => {
    const isClient = guard.clientRoles.includes(name);
    const kind = isClient ? 'client role' : 'login role';
    const remedy = isClient
      ? 'Take this from it, or let clients use another role.'
      : 'Take this from it, let the program log in as another role, or name it in --exempt if the program that uses it can be trusted with this.';
    const others = [...roles.reach(name)].filter(
      (other) => other !== name && !guard.clientRoles.includes(other) && reasons(other).length > 0,
    );
    return [
      ...reasons(name),
      ...others.map((other) => `may become ${other}, which ${reasons(other).join(' and ')}`),
    ].map((reason) => refused(`The ${kind} ${name} ${reason}. ${remedy}`));
  });
}

/** The role that owns the views. */
async function examineReader({ database, roles }: Examined): Promise<Finding[]> {
  const role = roles.all.get(READER);
  if (!role) return [];
  const { rows } = await database.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
    where relowner = (select oid from pg_roles where rolname = $1) and relkind in ('r', 'p', 'm', 'f') order by 1`,
    [READER],
  );
  const memberOf = [...roles.reach(READER)].filter((name) => name !== READER);
  const wrong = [
    role.canLogIn && 'may log in (ALTER ROLE grantable_reader NOLOGIN)',
    role.bypassesPolicies && 'has BYPASSRLS (ALTER ROLE grantable_reader NOBYPASSRLS)',
    role.isSuperuser && 'is a superuser (ALTER ROLE grantable_reader NOSUPERUSER)',
    role.makesRoles && 'has CREATEROLE (ALTER ROLE grantable_reader NOCREATEROLE)',
    rows.length > 0 && `owns ${some(rows.map(({ name }) => name))}`,
    memberOf.length > 0 && `is a member of ${some(memberOf)}`,
  ].filter((each) => typeof each === 'string');
  return wrong.map((each) =>
    refused(
      `The role ${READER}, which owns the views, ${each}: then policies would not bind what clients read. Take this from it.`,
    ),
  );
}

/**
 * What the roles of `$1` have when they log in, the nearest setting first. The default of the server cannot be read by a session
 * whose role or database sets something else: then that of PostgreSQL counts.
 */
const COMPILED = `select role.rolname as name
from pg_roles as role left join pg_db_role_setting as own on setrole in (role.oid, 0)
  and setdatabase in (0, (select oid from pg_database where datname = current_database()))
  left join lateral (
    select substr(setting, length('jit=') + 1)::boolean as jit from unnest(setconfig) as setting where setting like 'jit=%'
  ) as chosen on true
where role.rolname = any ($1::text[])
group by role.rolname
having coalesce(
  (array_agg(jit order by setrole <> 0 desc, setdatabase <> 0 desc) filter (where jit is not null))[1],
  (select case when source in ('database', 'user', 'database user') then boot_val else reset_val end::boolean
    from pg_settings where name = 'jit')
)
order by 1`;

/** The settings of a role that clients become count only for programs that set them, and so for roles that no login becomes. */
export async function findCompiled({ database, guard, roles }: Examined): Promise<Finding[]> {
  if (!guard.tables.some(({ isLimited }) => isLimited)) return [];
  const logins = [...roles.all.values()].filter(({ canLogIn }) => canLogIn).map(({ name }) => name);
  const named = guard.clientRoles.flatMap((client) => {
    const becoming = logins.filter((login) => roles.reach(login).has(client));
    return becoming.length > 0 ? becoming : [client];
  });
  const { rows } = await database.query<{ name: string }>(COMPILED, [named]);
  if (rows.length === 0) return [];
  const names = rows.map(({ name }) => name);
  const statements = names.map((name) => `ALTER ROLE ${identifier(name)} SET jit = off`);
  return [
    note(
      `JIT is on for ${some(names)}: PostgreSQL may compile for seconds before it reads a view of a table that rights are limited for. Run ${listSome(statements, 3, '; ')}. withToken switches JIT off itself.`,
    ),
  ];
}

export const ROLE_CHECKS: readonly Check[] = [
  findMissingRoles,
  findRights,
  findRightsOfOthers,
  findHeirs,
  findUnbound,
  examineReader,
];

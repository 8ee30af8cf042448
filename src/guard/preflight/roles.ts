/** Roles that have rights on the tables, and roles that could become others. */
import { didYouMean } from '../../errors/similar.ts';
import { listSome } from '../../errors/texts.ts';
import type { Guard } from '../model.ts';
import { READER } from '../sql/names.ts';
import { type Examined, type Finding, note, refused, relationsOf } from './finding.ts';
import type { Roles } from './memberships.ts';

export function findMissingRoles({ guard, roles }: Examined): Finding[] {
  return [
    ...[...guard.clientRoles, ...guard.exemptRoles]
      .filter((role) => !roles.all.has(role))
      .map((role) => refused(`The database has no role ${role}${didYouMean(role, roles.all.keys())}.`)),
    ...[...guard.clientRoles, ...guard.exemptRoles]
      .filter((role) => role === READER)
      .map(() => refused(`The role ${READER} belongs to guard: name it neither in --for nor in --exempt.`)),
  ];
}

interface Right {
  readonly relation: string;
  readonly owner: string;
  /** Undefined: PUBLIC. */
  readonly grantee: string | null;
  readonly grantor: string;
  readonly privilege: string;
}

async function readRights({ database, guard }: Examined): Promise<Right[]> {
  const { rows } = await database.query<Right>(
    `select relation::text, pg_get_userbyid(relowner) as owner, privilege_type as privilege,
      case when grantee <> 0 then pg_get_userbyid(grantee) end as grantee, pg_get_userbyid(grantor) as grantor
    from (select unnest($1::text[])::regclass as relation) as guarded join pg_class on oid = relation,
      lateral (
        select * from aclexplode(coalesce(relacl, acldefault('r', relowner)))
        union
        select acl.* from pg_attribute, aclexplode(attacl) as acl where attrelid = relation
      ) as rights
    union
    select relation::text, pg_get_userbyid(relowner), 'ownership', pg_get_userbyid(relowner), pg_get_userbyid(relowner)
    from (select unnest($1::text[])::regclass as relation) as guarded join pg_class on oid = relation
    order by relation, privilege`,
    [relationsOf(guard)],
  );
  return rows;
}

const MAX_NAMED = 3;

/** How each role with rights on the tables would be treated: a line for each, and what is refused. */
export async function examineRights(
  examined: Examined,
): Promise<{ readonly treated: readonly string[]; readonly findings: readonly Finding[] }> {
  const { guard, roles } = examined;
  const rights = await readRights(examined);
  const treated: string[] = [];
  const findings: Finding[] = [];
  for (const [grantee, held] of Map.groupBy(rights, (right) => right.grantee)) {
    if (grantee === READER) continue;
    const tables = listSome([...new Set(held.map(({ relation }) => relation))], MAX_NAMED);
    if (grantee === null) {
      treated.push(`PUBLIC: refused, every role has rights on ${tables}`);
      findings.push(
        refused(
          `Every role has rights on ${tables}. Run REVOKE ALL ON ${tables} FROM PUBLIC, and grant them to roles.`,
        ),
      );
      continue;
    }
    const how = treatment(grantee, examined);
    treated.push(`${grantee}: ${how ?? `refused, it has rights on ${tables}`}`);
    if (how === undefined) {
      findings.push(
        refused(
          `The role ${grantee} has rights on ${tables}, and is neither in --for nor in --exempt. Name it in one of them, or revoke its rights.`,
        ),
      );
    }
  }
  findings.push(...rightsOfOthers(rights, guard), ...heirs(guard, roles));
  return { treated: treated.sort(), findings };
}

function treatment(name: string, { guard, roles }: Examined): string | undefined {
  const role = roles.all.get(name);
  if (guard.clientRoles.includes(name)) return 'client, gets what the token of the request allows';
  if (guard.exemptRoles.includes(name)) return 'exempt, tokens do not bind it';
  if (role?.isSuperuser) return 'superuser, policies do not bind it';
  if (role?.bypassesPolicies) return 'BYPASSRLS, policies do not bind it';
  return undefined;
}

/** The owner of a table revokes only what it granted itself. */
function rightsOfOthers(rights: readonly Right[], { clientRoles }: Guard): Finding[] {
  const isClient = (role: string | null) => role !== null && clientRoles.includes(role);
  const found = rights.filter(
    ({ owner, grantor, grantee }) => grantor !== owner && (isClient(grantee) || isClient(grantor)),
  );
  return [...Map.groupBy(found, ({ grantee, grantor }) => `${grantor} granted rights to ${grantee}`)].map(
    ([who, held]) =>
      refused(
        `The role ${who} on ${listSome([...new Set(held.map(({ relation }) => relation))], MAX_NAMED)}, which the owner of the table cannot revoke. Revoke them as the role that granted them.`,
      ),
  );
}

/** Members of exempt roles have their rights, and are not exempt under their own names. */
function heirs({ exemptRoles, clientRoles }: Guard, roles: Roles): Finding[] {
  return [...roles.all.values()].flatMap(({ name, isSuperuser, bypassesPolicies }) => {
    if (isSuperuser || bypassesPolicies || exemptRoles.includes(name) || clientRoles.includes(name))
      return [];
    const from = exemptRoles.filter((role) => roles.reach(name).has(role));
    if (from.length === 0) return [];
    return [
      note(
        `The role ${name} has the rights of ${listSome(from, MAX_NAMED)}, which is exempt. Under its own name it is not exempt and sees no row without a token; name it in --exempt if it should.`,
      ),
    ];
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
export async function findUnbound(examined: Examined): Promise<Finding[]> {
  const { guard, roles } = examined;
  const owners = new Set(
    (await readRights(examined))
      .filter(({ privilege }) => privilege === 'ownership')
      .map(({ owner }) => owner),
  );
  const reasons = (name: string): string[] => {
    const role = roles.all.get(name);
    return [
      role?.isSuperuser && 'is a superuser',
      role?.bypassesPolicies && 'has BYPASSRLS',
      role?.makesRoles && 'has CREATEROLE and so may become other roles',
      role?.replicates && 'has REPLICATION and so may read all that is written',
      owners.has(name) && 'owns a guarded table',
      guard.exemptRoles.includes(name) && 'is exempt',
      name === READER && 'owns the views',
      POWERFUL.has(name) && 'reaches all tables',
    ].filter((reason) => typeof reason === 'string');
  };
  return roles.bound.flatMap((name) => {
    const kind = guard.clientRoles.includes(name) ? 'client role' : 'login role';
    const remedy =
      kind === 'client role'
        ? 'Take this from it, or let clients use another role.'
        : 'Take this from it, let the program log in as another role, or name it in --exempt if the program that uses it can be trusted with this.';
    const [own, ...others] = [name, ...[...roles.reach(name)].filter((role) => role !== name)];
    return [
      ...reasons(own as string).map((reason) => refused(`The ${kind} ${name} ${reason}. ${remedy}`)),
      ...others
        .filter((other) => !guard.clientRoles.includes(other) && reasons(other).length > 0)
        .map((other) =>
          refused(
            `The ${kind} ${name} may become ${other}, which ${reasons(other).join(' and ')}. ${remedy}`,
          ),
        ),
    ];
  });
}

/** The role that owns the views. */
export async function examineReader({ database, roles }: Examined): Promise<Finding[]> {
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
    rows.length > 0 &&
      `owns ${listSome(
        rows.map(({ name }) => name),
        MAX_NAMED,
      )}`,
    memberOf.length > 0 && `is a member of ${listSome(memberOf, MAX_NAMED)}`,
  ].filter((each) => typeof each === 'string');
  return wrong.map((each) =>
    refused(
      `The role ${READER}, which owns the views, ${each}: then policies would not bind what clients read. Take this from it.`,
    ),
  );
}

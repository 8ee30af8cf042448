/** What is looked at before a database is guarded, with the roles of the database and their rights; and what is found. */
import { listSome } from '../../errors/texts.ts';
import type { Guard } from '../model.ts';
import type { Applied } from '../numbered.ts';
import type { Database } from '../read-database.ts';
import { relationsOf } from '../sql/names.ts';

export interface Finding {
  /** `refused`: the guard would not hold. */
  readonly kind: 'refused' | 'note';
  /** Whole sentences, with what to do. */
  readonly says: string;
  /** The name under which an operator may accept it. */
  readonly name?: string;
}

export interface Examined {
  readonly database: Database;
  readonly guard: Guard;
  /** The migration that the database has. */
  readonly last: Applied | undefined;
  readonly roles: Roles;
  readonly rights: readonly Right[];
}

export type Check = (examined: Examined) => readonly Finding[] | Promise<readonly Finding[]>;

export const refused = (says: string): Finding => ({ kind: 'refused', says });
export const note = (says: string): Finding => ({ kind: 'note', says });

/** The first three different ones. */
export const some = (names: readonly string[]): string => listSome([...new Set(names)], 3);

export interface Role {
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly bypassesPolicies: boolean;
  readonly canLogIn: boolean;
  readonly makesRoles: boolean;
  readonly replicates: boolean;
}

export interface Roles {
  readonly all: ReadonlyMap<string, Role>;
  /** It and all roles that it may become (`SET ROLE`). */
  reach(name: string): ReadonlySet<string>;
  /** Those that policies do not bind. */
  readonly unbound: ReadonlySet<string>;
  /** The client roles, and roles that log in and may become one, but for exempt ones. */
  readonly bound: readonly string[];
  /** Those of `bound` that are there and have no rights of superusers: what they may do is worth asking. */
  readonly plain: readonly string[];
}

export async function readRoles(database: Database, { clientRoles, exemptRoles }: Guard): Promise<Roles> {
  const { rows } = await database.query<Role>(`
    select rolname as name, rolsuper as "isSuperuser", rolbypassrls as "bypassesPolicies", rolcanlogin as "canLogIn",
      rolcreaterole as "makesRoles", rolreplication as replicates
    from pg_roles order by rolname`);
  const members = await database.query<{ member: string; role: string }>(
    'select pg_get_userbyid(member) as member, pg_get_userbyid(roleid) as role from pg_auth_members',
  );
  const above = Map.groupBy(members.rows, ({ member }) => member);
  const reach = (name: string): Set<string> => {
    const reached = new Set([name]);
    for (const each of reached) for (const { role } of above.get(each) ?? []) reached.add(role);
    return reached;
  };
  const becomesClient = ({ name, canLogIn }: Role) =>
    canLogIn && !exemptRoles.includes(name) && clientRoles.some((client) => reach(name).has(client));
  const all = new Map(rows.map((role) => [role.name, role]));
  const isUnbound = ({ isSuperuser, bypassesPolicies }: Role) => isSuperuser || bypassesPolicies;
  const unbound = new Set(rows.filter(isUnbound).map(({ name }) => name));
  const bound = [...new Set([...clientRoles, ...rows.filter(becomesClient).map(({ name }) => name)])];
  const plain = bound.filter((name) => all.get(name)?.isSuperuser === false);
  return { all, reach, unbound, bound, plain };
}

export interface Right {
  readonly relation: string;
  readonly owner: string;
  /** Undefined: PUBLIC. */
  readonly grantee: string | null;
  readonly grantor: string;
  readonly privilege: string;
}

export async function readRights(database: Database, guard: Guard): Promise<Right[]> {
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

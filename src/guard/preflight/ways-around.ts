/** Ways to the guarded tables beside the views of guard: what reads or writes them with the rights of another role than the client's. */
import type { Guard } from '../model.ts';
import { READER, relationsOf, viewOf } from '../sql/names.ts';
import { literal, qualified } from '../sql/text.ts';
import { type Check, type Examined, type Finding, note, refused, some } from './examined.ts';

interface Way {
  readonly name: string;
  readonly owner: string;
  /** Client roles that may use it. */
  readonly users: readonly string[];
}

/** The client roles of `$2` that may use the relation `c`. */
const USERS = `array(
  select role from unnest($2::text[]) as role
  where has_schema_privilege(role, c.relnamespace, 'USAGE')
    and (has_any_column_privilege(role, c.oid, 'SELECT,INSERT,UPDATE') or has_table_privilege(role, c.oid, 'DELETE'))
)`;

/** @param query of `$1`, the guarded relations, and `$2`, the client roles @returns what clients may use */
async function readWays<T extends Way>(
  { database, guard, roles }: Examined,
  query: string,
  ...more: unknown[]
): Promise<T[]> {
  const clients = guard.clientRoles.filter((role) => roles.plain.includes(role));
  const { rows } = await database.query<T>(query, [relationsOf(guard), clients, ...more]);
  return rows.filter(({ users }) => users.length > 0);
}

function way(what: string, { name, users }: Way, remedy: string): Finding {
  return {
    kind: 'refused',
    name,
    says: `${what}, and ${some(users)} may use it. ${remedy}, or accept it with --accept '${name.replaceAll("'", "'\\''")}'.`,
  };
}

const viewsOf = (guard: Guard): string[] => guard.tables.map((table) => qualified(viewOf(guard, table)));

const RELATION_KINDS: Readonly<Record<string, readonly [kind: string, remedy: string]>> = {
  v: ['view', 'Make it a view WITH (security_invoker = true), revoke it'],
  m: ['materialized view', 'Revoke it'],
  r: ['table with rules', 'Drop its rules, revoke it'],
  p: ['table with rules', 'Drop its rules, revoke it'],
};

/** Views of all levels: what a view of a view reads counts. */
async function findViews(examined: Examined): Promise<Finding[]> {
  const ways = await readWays<Way & { kind: string }>(
    examined,
    `with recursive reached (oid) as (
      select unnest($1::text[])::regclass::oid
      union
      select ev_class from reached
        join pg_depend on refclassid = 'pg_class'::regclass and refobjid = reached.oid and classid = 'pg_rewrite'::regclass
        join pg_rewrite on pg_rewrite.oid = objid
    )
    select c.oid::regclass::text as name, relkind as kind, pg_get_userbyid(relowner) as owner, ${USERS} as users
    from reached join pg_class as c using (oid)
    where c.oid <> all (array(select unnest($1::text[])::regclass::oid))
      and not (pg_get_userbyid(relowner) = ${literal(READER)}
        and exists (select from unnest($3::text[]) as ours where to_regclass(ours) = c.oid))
      and not (relkind = 'v' and coalesce((
        select option_value::boolean from pg_options_to_table(reloptions) where option_name = 'security_invoker'), false))
    order by 1`,
    viewsOf(examined.guard),
  );
  return ways.map((found) => {
    const [kind, remedy] = RELATION_KINDS[found.kind] ?? ['relation', 'Revoke it'];
    return way(`The ${kind} ${found.name} reaches a guarded table as ${found.owner}`, found, remedy);
  });
}

/** The text of a function cannot be read reliably: what its owner may do counts. */
async function findFunctions(examined: Examined): Promise<Finding[]> {
  const { guard, roles, last } = examined;
  const ways = await readWays<Way & { hasRights: boolean }>(
    examined,
    `select p.oid::regprocedure::text as name, pg_get_userbyid(proowner) as owner,
      array(
        select role from unnest($2::text[]) as role
        where has_schema_privilege(role, pronamespace, 'USAGE') and has_function_privilege(role, p.oid, 'EXECUTE')
      ) as users,
      exists (
        select from unnest($1::text[]) as relation
        where has_any_column_privilege(proowner, relation::regclass, 'SELECT,INSERT,UPDATE')
          or has_table_privilege(proowner, relation::regclass, 'DELETE,TRUNCATE')
      ) as "hasRights"
    from pg_proc as p join pg_namespace as n on n.oid = pronamespace
    where prosecdef and nspname not in ('pg_catalog', 'information_schema')
    order by 1`,
  );
  const isOurs = (name: string): boolean => Object.hasOwn(last?.fingerprint ?? {}, `function ${name}`);
  return ways
    .filter(({ name, owner, hasRights }) => {
      const mayReach = hasRights || roles.unbound.has(owner) || guard.exemptRoles.includes(owner);
      return mayReach && !isOurs(name) && !guard.clientRoles.includes(owner);
    })
    .map((found) =>
      way(
        `The SECURITY DEFINER function ${found.name} runs as ${found.owner}, which can reach guarded tables`,
        found,
        'Revoke EXECUTE on it from PUBLIC and from these roles',
      ),
    );
}

/** A foreign table may lead back into this database. */
async function findForeignTables(examined: Examined): Promise<Finding[]> {
  const ways = await readWays(
    examined,
    `select c.oid::regclass::text as name, pg_get_userbyid(relowner) as owner, ${USERS} as users
    from pg_foreign_table join pg_class as c on c.oid = ftrelid
    where coalesce((select option_value from pg_options_to_table(ftoptions) where option_name = 'table_name'), relname)
      = any (array(select relname::text from unnest($1::text[]) as guarded join pg_class on oid = guarded::regclass))
    order by 1`,
  );
  return ways.map((found) =>
    way(`The foreign table ${found.name} leads to a table of the name of a guarded one`, found, 'Revoke it'),
  );
}

/** What stands where a view is to be made, and what would have to be dropped with one that is made anew. */
async function findObstacles({ database, guard }: Examined): Promise<Finding[]> {
  const names = viewsOf(guard);
  const taken = await database.query<{ name: string; owner: string }>(
    `select c.oid::regclass::text as name, pg_get_userbyid(relowner) as owner
    from unnest($1::text[]) as wanted join pg_class as c on c.oid = to_regclass(wanted)
    where relkind <> 'v' or pg_get_userbyid(relowner) <> $2 order by 1`,
    [names, READER],
  );
  const dependent = await database.query<{ name: string; view: string }>(
    `select distinct ev_class::regclass::text as name, refobjid::regclass::text as view
    from pg_depend join pg_rewrite on pg_rewrite.oid = objid
    where classid = 'pg_rewrite'::regclass and refclassid = 'pg_class'::regclass and ev_class <> refobjid
      and refobjid = any (array(select to_regclass(wanted)::oid from unnest($1::text[]) as wanted))
    order by 1`,
    [names],
  );
  return [
    ...taken.rows.map(({ name, owner }) =>
      refused(
        `There is a ${name} of ${owner} already, where guard makes the view of a table. Rename or drop it, or give --views another schema.`,
      ),
    ),
    ...dependent.rows.map(({ name, view }) =>
      note(
        `${name} reads ${view}, which guard makes anew whenever it runs. Drop ${name} before, and make it again afterwards.`,
      ),
    ),
  ];
}

/** The database itself changes rows for a foreign key, as the owner of the table. */
export async function findCascades({ database, guard }: Examined): Promise<Finding[]> {
  const { rows } = await database.query<{ name: string; referred: string; deletes: boolean }>(
    `select distinct conrelid::regclass::text as name, confrelid::regclass::text as referred, confdeltype in ('c', 'n', 'd') as deletes
    from pg_constraint
    where contype = 'f' and conparentid = 0 and conrelid = any (array(select unnest($1::text[])::regclass::oid))
      and (confdeltype in ('c', 'n', 'd') or confupdtype in ('c', 'n', 'd'))
    order by 1, 2`,
    [relationsOf(guard)],
  );
  return rows.map(({ name, referred, deletes }) =>
    note(
      `${deletes ? 'Deleting' : 'Updating'} a row of ${referred} changes rows of ${name} by a foreign key, whatever the token says of ${name}.`,
    ),
  );
}

export const WAY_CHECKS: readonly Check[] = [findViews, findFunctions, findForeignTables, findObstacles];

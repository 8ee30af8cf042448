/** Ways to the guarded tables beside the views of guard: what reads or writes them with the rights of another role than the client's. */
import { listSome } from '../../errors/texts.ts';
import { READER, viewOf } from '../sql/names.ts';
import { qualified } from '../sql/text.ts';
import { type Examined, type Finding, note, refused, relationsOf } from './finding.ts';

interface Way {
  readonly name: string;
  readonly owner: string;
  /** Client roles that may use it. */
  readonly users: readonly string[];
}

const MAX_NAMED = 3;

/** The client roles of `$2` that may use the relation `c`. */
const USERS = `array(
  select role from unnest($2::text[]) as role
  where has_schema_privilege(role, c.relnamespace, 'USAGE')
    and (has_any_column_privilege(role, c.oid, 'SELECT,INSERT,UPDATE') or has_table_privilege(role, c.oid, 'DELETE'))
)`;

const clients = ({ guard, roles }: Examined): string[] =>
  guard.clientRoles.filter((role) => roles.plain.includes(role));

function way(what: string, { name, users }: Way, remedy: string): Finding {
  return {
    kind: 'refused',
    name,
    says: `${what}, and ${listSome(users, MAX_NAMED)} may use it. ${remedy}, or accept it with --accept '${name.replaceAll("'", "'\\''")}'.`,
  };
}

const RELATION_KINDS: Readonly<Record<string, readonly [kind: string, remedy: string]>> = {
  v: ['view', 'Make it a view WITH (security_invoker = true), revoke it'],
  m: ['materialized view', 'Revoke it'],
  r: ['table with rules', 'Drop its rules, revoke it'],
  p: ['table with rules', 'Drop its rules, revoke it'],
};

/** Views of all levels: what a view of a view reads counts. */
export async function findViews(examined: Examined): Promise<Finding[]> {
  const { database, guard } = examined;
  const { rows } = await database.query<Way & { kind: string; isInvoker: boolean | null }>(
    `with recursive reached (oid) as (
      select unnest($1::text[])::regclass::oid
      union
      select ev_class from reached
        join pg_depend on refclassid = 'pg_class'::regclass and refobjid = reached.oid and classid = 'pg_rewrite'::regclass
        join pg_rewrite on pg_rewrite.oid = objid
    )
    select c.oid::regclass::text as name, relkind as kind, pg_get_userbyid(relowner) as owner, ${USERS} as users,
      (select option_value::boolean from pg_options_to_table(reloptions) where option_name = 'security_invoker') as "isInvoker"
    from reached join pg_class as c using (oid)
    where c.oid <> all (array(select unnest($1::text[])::regclass::oid))
    order by 1`,
    [relationsOf(guard), clients(examined)],
  );
  const ours = new Set(await namesOfViews(examined));
  return rows
    .filter(({ name, owner, users, kind, isInvoker }) => {
      const isOurs = owner === READER && ours.has(name);
      return !isOurs && users.length > 0 && !(kind === 'v' && isInvoker);
    })
    .map((found) => {
      const [kind, remedy] = RELATION_KINDS[found.kind] ?? ['relation', 'Revoke it'];
      return way(`The ${kind} ${found.name} reaches a guarded table as ${found.owner}`, found, remedy);
    });
}

/** As the database writes them. */
async function namesOfViews({ database, guard }: Examined): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    'select to_regclass(name)::text as name from unnest($1::text[]) as name where to_regclass(name) is not null',
    [guard.tables.map((table) => qualified(viewOf(guard, table)))],
  );
  return rows.map(({ name }) => name);
}

/** The text of a function cannot be read reliably: what its owner may do counts. */
export async function findFunctions(examined: Examined): Promise<Finding[]> {
  const { database, guard, roles, made } = examined;
  const { rows } = await database.query<Way & { hasRights: boolean }>(
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
    [relationsOf(guard), clients(examined)],
  );
  const isUnbound = (owner: string): boolean => {
    const role = roles.all.get(owner);
    return role?.isSuperuser === true || role?.bypassesPolicies === true || guard.exemptRoles.includes(owner);
  };
  return rows
    .filter(
      ({ name, owner, users, hasRights }) =>
        users.length > 0 &&
        !made.has(`function ${name}`) &&
        !guard.clientRoles.includes(owner) &&
        (hasRights || isUnbound(owner)),
    )
    .map((found) =>
      way(
        `The SECURITY DEFINER function ${found.name} runs as ${found.owner}, which can reach guarded tables`,
        found,
        'Revoke EXECUTE on it from PUBLIC and from these roles',
      ),
    );
}

/** A foreign table may lead back into this database. */
export async function findForeignTables(examined: Examined): Promise<Finding[]> {
  const { database, guard } = examined;
  const { rows } = await database.query<Way>(
    `select c.oid::regclass::text as name, pg_get_userbyid(relowner) as owner, ${USERS} as users
    from pg_foreign_table join pg_class as c on c.oid = ftrelid
    where coalesce((select option_value from pg_options_to_table(ftoptions) where option_name = 'table_name'), relname)
      = any (array(select relname::text from unnest($1::text[]) as guarded join pg_class on oid = guarded::regclass))
    order by 1`,
    [relationsOf(guard), clients(examined)],
  );
  return rows
    .filter(({ users }) => users.length > 0)
    .map((found) =>
      way(
        `The foreign table ${found.name} leads to a table of the name of a guarded one`,
        found,
        'Revoke it',
      ),
    );
}

/** What stands where a view is to be made, and what would have to be dropped with one that is made anew. */
export async function findObstacles({ database, guard }: Examined): Promise<Finding[]> {
  const names = guard.tables.map((table) => qualified(viewOf(guard, table)));
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

/** Roles for which PostgreSQL would compile the plans of the views. */
import { listSome } from '../../errors/texts.ts';
import { identifier } from '../sql/text.ts';
import { type Examined, type Finding, note, some } from './finding.ts';

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

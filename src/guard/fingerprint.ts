/** What the migration made, as the database has it: a short hash for each object, so that a change by hand is seen and named. */
import { READER, SCHEMA } from './sql/names.ts';
import { dollarQuoted, literal } from './sql/text.ts';

/** By what people call the object, such as `view api.orders`. */
export type Fingerprint = Readonly<Record<string, string>>;

/** The version of PostgreSQL, which writes definitions in its own words. */
export const VERSION_KEY = 'PostgreSQL';

const acl = (list: string): string =>
  `(select string_agg(item::text, ',' order by item::text) from unnest(${list}) as item)`;

const roleNames = (oids: string): string =>
  `(select string_agg(coalesce(rolname, 'public'), ',' order by rolname) from unnest(${oids}) as oid left join pg_roles using (oid))`;

const columnAcls = `(select string_agg(attname || ${acl('attacl')}, ',' order by attnum) from pg_attribute where attrelid = c.oid and attacl is not null)`;

const triggers = `(select string_agg(pg_get_triggerdef(oid) || tgenabled::text, ',' order by tgname) from pg_trigger where tgrelid = c.oid and not tgisinternal)`;

const name = (schema: string, object: string): string =>
  `quote_ident(${schema}) || '.' || quote_ident(${object})`;

/** Each object with what is known of it. An operator gives rights to what ended to the role of `guard follow`. */
const OBJECTS = `
select ${literal(VERSION_KEY)} as what, array[current_setting('server_version_num')::integer / 10000]::text[] as facts
union all
select 'schema ' || quote_ident(nspname), array[pg_get_userbyid(nspowner), ${acl(`coalesce(nspacl, acldefault('n', nspowner))`)}]
  from pg_namespace
  where nspname = ${literal(SCHEMA)}
    or oid in (select relnamespace from pg_class where relkind = 'v' and relowner = (select oid from pg_roles where rolname = ${literal(READER)}))
union all
select 'function ' || p.oid::regprocedure, array[pg_get_functiondef(p.oid), pg_get_userbyid(proowner), ${acl(`coalesce(proacl, acldefault('f', proowner))`)}]
  from pg_proc as p
  where pronamespace = ${literal(SCHEMA)}::regnamespace and prokind in ('f', 'p')
union all
select 'table ' || ${name('nspname', 'relname')}, array[
    pg_get_userbyid(relowner), relrowsecurity::text, relforcerowsecurity::text,
    case when c.oid <> all (array[${literal(`${SCHEMA}.ended`)}, ${literal(`${SCHEMA}.feed`)}]::regclass[])
      then ${acl(`coalesce(relacl, acldefault('r', relowner))`)} end,
    ${columnAcls}
  ]
  from pg_class as c join pg_namespace as n on n.oid = relnamespace
  where relkind in ('r', 'p', 'f') and (nspname = ${literal(SCHEMA)} or c.oid in (select relation from grantable.before))
union all
select 'policy ' || quote_ident(polname) || ' on ' || ${name('nspname', 'relname')}, array[
    polpermissive::text, polcmd::text, ${roleNames('polroles')}, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
  ]
  from pg_policy join pg_class as c on c.oid = polrelid join pg_namespace as n on n.oid = relnamespace
  where polrelid in (select relation from grantable.before)
union all
select 'view ' || ${name('nspname', 'relname')}, array[
    pg_get_viewdef(c.oid), reloptions::text, ${acl(`coalesce(relacl, acldefault('r', relowner))`)}, ${columnAcls}, ${triggers}
  ]
  from pg_class as c join pg_namespace as n on n.oid = relnamespace
  where relkind = 'v' and relowner = (select oid from pg_roles where rolname = ${literal(READER)})
union all
select 'role ' || rolname, array[
    rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls
  ]::text[] || ${roleNames('array(select roleid from pg_auth_members where member = r.oid)')}
  from pg_roles as r where rolname = ${literal(READER)}`;

/** The hash needs no text of more than the facts: it finds mistakes, not attackers, who could write the recorded one as well. */
export const FINGERPRINT = `select jsonb_object_agg(what, left(encode(sha256(convert_to(to_jsonb(facts)::text, 'UTF8')), 'hex'), 16))
from (${OBJECTS}
) as objects`;

/** The last statement of a migration calls it, also when an operator runs the printed text. */
export const FINGERPRINT_FUNCTION = `create or replace function grantable.fingerprint() returns jsonb
  language sql stable set search_path = ''
  as ${dollarQuoted(`\n${FINGERPRINT}\n`)};`;

/**
 * The functions of the schema `grantable`: what the claims of the request say. They read the setting `request.jwt.claims` and are
 * STABLE: an immutable one would keep the answer for the previous token in a generic plan.
 */
import { ACTIONS } from '../../permissions/actions.ts';
import { spellingsOf } from '../../permissions/resource-identifiers.ts';
import { CLOCKS_AGREE_MS } from '../../registry/nodes.ts';
import type { Guard } from '../model.ts';
import { KNOWN_CELLS, READER } from './names.ts';
import { dollarQuoted, json, literal, SAFE_PATH, textArray } from './text.ts';

/** The first version with `pg_input_is_valid`. */
const PG_16 = 160_000;

interface SqlFunction {
  /** With the names and types of its parameters. */
  readonly signature: string;
  readonly returns: string;
  readonly language: 'sql' | 'plpgsql';
  readonly body: string;
  readonly options?: string;
}

/** Of functions with backslashes in literals, which are read anew in each session. */
const PLAIN_BACKSLASHES = 'set standard_conforming_strings = on ';

function create({ signature, returns, language, body, options = '' }: SqlFunction): string {
  return `create or replace function grantable.${signature} returns ${returns}
  language ${language} stable parallel safe cost 1 ${options}${SAFE_PATH}
  as ${dollarQuoted(`\n${body.trim()}\n`)};
grant execute on function grantable.${signature} to public;`;
}

/** Without an exception that would have to be caught: that needs a subtransaction, which a parallel query cannot begin. */
const PARSE_BY_DATABASE = `select case when pg_input_is_valid(said, 'jsonb') then said::jsonb end`;

/**
 * Earlier versions cannot say whether a text is JSON. So its strings, then its other values, become marks, and lists and objects
 * of marks become marks, until one is left. What is nested deeper than 128 is not read.
 */
const PARSE_BY_HAND = String.raw`
declare
  rest text;
  shorter text;
begin
  if said ~ '[\x01\x02]|\\u0000' then return null; end if;
  rest := regexp_replace(said, '"(?:[^"\\\x01-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-CE-Fa-ce-f][0-9A-Fa-f]{3}|u[Dd][0-7][0-9A-Fa-f]{2}|u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}))*"', E'\x01', 'g');
  rest := regexp_replace(rest, '-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,3})?(?![0-9.eE+-])|true|false|null', E'\x02', 'g');
  rest := regexp_replace(rest, '[ \t\n\r]+', '', 'g');
  -- Each round reads all that is left.
  for depth in 1..128 loop
    shorter := regexp_replace(rest, '\[(?:[\x01\x02](?:,[\x01\x02])*)?\]|\{(?:\x01:[\x01\x02](?:,\x01:[\x01\x02])*)?\}', E'\x02', 'g');
    exit when shorter = rest;
    rest := shorter;
  end loop;
  if rest = E'\x02' then return said::jsonb; end if;
  return null;
end`;

const CANONICAL = String.raw`
declare
  small text := lower(value);
  parts text[];
  instant timestamp;
begin
  if length(value) > 1000 and type <> 'text' then return null; end if;
  case type
    when 'text' then return value;
    when 'integer' then
      if value !~ '^[+-]?[0-9]+$' then return null; end if;
      return value::numeric::text;
    when 'decimal' then
      if value !~ '^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$' then return null; end if;
      small := trim_scale(value::numeric)::text;
      return case when length(small) <= 1000 then small end;
    when 'boolean' then
      return case when small in ('true', 't', '1') then 'true' when small in ('false', 'f', '0') then 'false' end;
    when 'uuid' then
      if small !~ '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and small !~ '^[0-9a-f]{32}$' then return null; end if;
      return small::uuid::text;
    when 'date' then
      return case when grantable.is_date(value) then value end;
    when 'timestamp' then
      parts := regexp_match(value, '^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9])(:[0-5][0-9])?(?:\.([0-9]{1,9}))? ?(?:[Zz]|([+-])(0[0-9]|1[0-5]):?([0-5][0-9])?)?)?$');
      if parts is null or not grantable.is_date(parts[1]) or (parts[4] is not null and parts[3] is null) then return null; end if;
      parts[4] := rtrim(coalesce(parts[4], ''), '0');
      if length(parts[4]) > 6 then return null; end if;
      instant := (parts[1] || ' ' || coalesce(parts[2], '00:00') || coalesce(parts[3], ':00'))::timestamp
        - make_interval(hours => coalesce(parts[6], '0')::integer, mins => coalesce(parts[7], '0')::integer)
          * (case when parts[5] = '-' then -1 else 1 end);
      if instant < '0001-01-01' or instant >= '10000-01-01' then return null; end if;
      return to_char(instant, 'YYYY-MM-DD"T"HH24:MI:SS') || case when parts[4] = '' then '' else '.' || parts[4] end || 'Z';
    else return null;
  end case;
end`;

const IS_DATE = `
declare
  parts integer[];
begin
  if value !~ '^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$' or value ~ '^0000' then return false; end if;
  parts := string_to_array(value, '-')::integer[];
  return parts[3] <= extract(day from make_date(parts[1], parts[2], 1) + interval '1 month' - interval '1 day');
end`;

/**
 * Marks of the nodes above a token, see `standingOf` in src/registry/nodes.ts, but that what was narrowed cannot be asked for here.
 * While the feed is followed, nothing holds of which the feed cannot tell.
 */
function isEndedBody({ issuer, resource }: Guard): string {
  return `
select exists (
    select from grantable.feed
    where nodes is null or feed.issuer <> ${literal(issuer)} or feed.resource <> ${literal(resource)}
      or heard_at < statement_timestamp() - make_interval(secs => max_silence)
  ) or exists (
    select from grantable.ended
    where node = any (nodes) and (
      (revoked_at is not null and (restored_at is null or restored_at < revoked_at))
      or restored_at >= as_of
      or narrowed_at >= as_of
    )
  )`;
}

function claimsBody({ issuer, resource }: Guard): string {
  return `
declare
  said jsonb := grantable.parse(nullif(current_setting('request.jwt.claims', true), ''));
  at numeric := extract(epoch from statement_timestamp());
  nodes text[];
  as_of numeric;
begin
  if said is null or jsonb_typeof(said) <> 'object' or (said -> 'iss') is distinct from to_jsonb(${literal(issuer)}::text) then
    return null;
  end if;
  if coalesce(jsonb_typeof(said -> 'aud') not in ('string', 'array') or not said -> 'aud' ?| ${textArray(spellingsOf(resource))}, true) then
    return null;
  end if;
  if jsonb_typeof(said -> 'exp') is distinct from 'number' or (said ->> 'exp')::numeric <= at then return null; end if;
  if said ? 'nbf' and (jsonb_typeof(said -> 'nbf') <> 'number' or (said ->> 'nbf')::numeric > at) then return null; end if;
  -- An introspection answer: that of a refresh token has no type.
  if said ? 'active' and ((said -> 'active') <> 'true' or coalesce(said ->> 'token_type' not in ('Bearer', 'DPoP'), true)) then
    return null;
  end if;
  if jsonb_typeof(said -> 'anc') = 'array' and jsonb_typeof(said -> 'jti') = 'string' then
    nodes := array(select jsonb_array_elements_text(said -> 'anc')) || (said ->> 'jti');
  end if;
  if jsonb_typeof(said -> 'iat') = 'number' then as_of := floor((said ->> 'iat')::numeric) * 1000; end if;
  if as_of is not null and jsonb_typeof(said -> 'as_of') = 'number' then
    as_of := case when said ? 'active' then (said ->> 'as_of')::numeric else least(as_of, (said ->> 'as_of')::numeric) end;
  end if;
  -- Every token of ours has them.
  if nodes is null or as_of is null then return null; end if;
  -- To a token that a clock made which was ahead, marks of later would seem earlier.
  if not said ? 'active' and as_of > at * 1000 + ${CLOCKS_AGREE_MS} then nodes := null; end if;
  if grantable.is_ended(nodes, as_of) then return null; end if;
  return said;
end`;
}

/** What `permissions` says: null where it cannot be read. */
const FLAG = `
declare
  flags jsonb;
begin
  if jsonb_typeof(said) <> 'object' or coalesce(jsonb_typeof(said -> 'tables'), 'object') <> 'object' then return null; end if;
  if said ? 'isAdmin' and jsonb_typeof(said -> 'isAdmin') <> 'boolean' then return null; end if;
  for flags in select said -> 'tables' -> name from unnest(array['*', table_id]) as name where said -> 'tables' ? name loop
    if jsonb_typeof(flags) <> 'object' or flags - ${textArray(ACTIONS)} <> '{}'
      or exists (select from jsonb_each(flags) where jsonb_typeof(value) <> 'boolean') then
      return null;
    end if;
  end loop;
  return coalesce((said -> 'isAdmin')::boolean, false)
    or coalesce((said -> 'tables' -> table_id -> action)::boolean, false)
    or coalesce((said -> 'tables' -> '*' -> action)::boolean, false);
end`;

/** A list of one or more texts, all of them known where `known` says which there are. */
const IS_LIST = `
select coalesce(
  jsonb_typeof(list) = 'array' and jsonb_array_length(case when jsonb_typeof(list) = 'array' then list else '[]' end) > 0
  and not exists (
    select from jsonb_array_elements(case when jsonb_typeof(list) = 'array' then list else '[]' end) as each
    where jsonb_typeof(each) <> 'string' or each = '""' or not coalesce((each #>> '{}') = any (known), true)
  ), false)`;

/** The row conditions of a detail in canonical values; null where they cannot be read, `false` where no row can meet them. */
const CONDITIONS = `
declare
  conditions jsonb := '{}';
  name text;
  list jsonb;
  texts jsonb;
begin
  if jsonb_typeof(said) <> 'object' or said = '{}' then return null; end if;
  for name, list in select * from jsonb_each(said) loop
    if jsonb_typeof(list) <> 'array' or list = '[]'
      or exists (select from jsonb_array_elements(list) as each where jsonb_typeof(each) not in ('string', 'number', 'boolean')) then
      return null;
    end if;
    select coalesce(jsonb_agg(distinct canonical), '[]') into texts
      from jsonb_array_elements_text(list) as each,
        lateral (select case when types ->> name = 'text' then each else grantable.canonical(types ->> name, each) end) as cast_value (canonical)
      where canonical is not null;
    conditions := case when conditions = 'false' or texts = '[]' then 'false' else conditions || jsonb_build_object(name, texts) end;
  end loop;
  return conditions;
end`;

/** Alternatives are `{"columns": […], "rows": {column: […]}}`; a member that is not there means no limit. */
function cellBody({ resource }: Guard): string {
  return `
declare
  said jsonb;
  nothing constant jsonb := '[]';
  alternatives jsonb := '[]';
  plain boolean;
  whole boolean := false;
  is_admin boolean := false;
  detail jsonb;
  conditions jsonb;
begin
  -- The reader runs nothing but the writers of views, which say this before they change a row.
  if current_user = ${literal(READER)} then
    said := nullif(current_setting(${literal(KNOWN_CELLS)}, true), '')::jsonb -> table_id -> action;
    if said is not null then return said; end if;
  end if;
  said := grantable.claims();
  if said is null then return nothing; end if;
  if said ? 'permissions' then
    plain := grantable.flag(said -> 'permissions', table_id, action);
    if plain is null then return nothing; end if;
    whole := plain;
  end if;
  if said ? 'authorization_details' then
    if jsonb_typeof(said -> 'authorization_details') <> 'array' then return nothing; end if;
    whole := false;
    for detail in select jsonb_array_elements(said -> 'authorization_details') loop
      if coalesce(jsonb_typeof(detail -> 'type') <> 'string', true) then return nothing; end if;
      continue when detail ->> 'type' not in ('table_access', 'table_access_set');
      if detail ? 'locations' and not grantable.is_list(detail -> 'locations', ${textArray(spellingsOf(resource))}) then
        return nothing;
      end if;
      if detail ->> 'type' = 'table_access' and detail ? 'privileges' then
        if detail - array['type', 'locations', 'privileges'] <> '{}'
          or not grantable.is_list(detail -> 'privileges', array['admin']) then
          return nothing;
        end if;
        is_admin := true;
      elsif not grantable.is_list(detail -> 'actions', ${textArray(ACTIONS)}) then
        return nothing;
      elsif detail ->> 'type' = 'table_access' then
        if detail - array['type', 'locations', 'identifier', 'actions'] <> '{}'
          or coalesce(jsonb_typeof(detail -> 'identifier') <> 'string', true) then
          return nothing;
        end if;
        whole := whole or (detail ->> 'identifier' in (table_id, '*') and detail -> 'actions' ? action);
      else
        if detail - array['type', 'locations', 'tables', 'actions', 'columns', 'rows'] <> '{}'
          or not grantable.is_list(detail -> 'tables', null)
          or (detail ? 'columns' and not grantable.is_list(detail -> 'columns', null)) then
          return nothing;
        end if;
        conditions := case when detail ? 'rows' then grantable.conditions(detail -> 'rows', types) else '{}' end;
        if conditions is null or ((detail ? 'columns' or detail ? 'rows') and detail -> 'tables' ? '*')
          or (detail ? 'columns' and detail -> 'actions' ? 'delete') then
          return nothing;
        end if;
        continue when not (detail -> 'tables' ?| array[table_id, '*'] and detail -> 'actions' ? action);
        -- Rows of which no column is shown are not shown.
        continue when detail ? 'columns' and not detail -> 'columns' ?| array(select jsonb_object_keys(types));
        if not detail ?| array['columns', 'rows'] then
          whole := true;
        elsif conditions <> 'false' then
          alternatives := alternatives || jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
            'columns', detail -> 'columns', 'rows', nullif(conditions, '{}')
          )));
        end if;
      end if;
    end loop;
    -- Both claims were written from the same rights: where they differ, neither can be believed.
    whole := whole or is_admin;
    if plain is not null
      and (plain <> whole or is_admin <> coalesce((said -> 'permissions' -> 'isAdmin')::boolean, false)) then
      return nothing;
    end if;
  end if;
  return case when whole then '[{}]' else alternatives end;
end`;
}

const CANDIDATES = `
select coalesce(array_agg(distinct text), '{}')
from jsonb_array_elements(cell) as alternative,
  jsonb_array_elements_text(alternative -> 'rows' -> columns[place]) as text
where not alternative -> 'rows' ?| columns[: place - 1]`;

/** Ways in which a view finds the rows: numbers of its row columns, from 1; unlimited rights need none of them. */
const BRANCHES = `
select case
  when cell = '[{}]' then '{}'
  when exists (select from jsonb_array_elements(cell) as alternative where not alternative ? 'rows') then array['all rows']
  else array(
    select distinct coalesce(
      (select min(place)::text from unnest(columns) with ordinality as row_column (name, place) where alternative -> 'rows' ? name),
      'others'
    )
    from jsonb_array_elements(cell) as alternative
  )
end`;

const SHOWN = `
select coalesce(jsonb_object_agg(name, is_always) filter (where is_ever), '{}')
from unnest(names) as name,
  lateral (
    select bool_and(has) as is_always, bool_or(has) as is_ever
    from jsonb_array_elements(cell) as alternative,
      lateral (select not alternative ? 'columns' or alternative -> 'columns' ? name) as visible (has)
  ) as of_name`;

const VALUES_ALONE = `
select array(
  select text
  from jsonb_array_elements(cell) as alternative, jsonb_array_elements_text(alternative -> 'rows' -> name) as text
  where (alternative -> 'rows') - name = '{}'
)`;

/** NULL meets no condition. */
const MEETS = `
declare
  alternative jsonb;
begin
  for alternative in select jsonb_array_elements(cell) loop
    continue when alternative ? 'columns' and not coalesce(alternative -> 'columns' ?& columns, false);
    if not alternative ? 'rows' or not exists (
      select from jsonb_each(alternative -> 'rows') as condition (name, list)
      where not coalesce(list ? (texts ->> name), false)
    ) then
      return true;
    end if;
  end loop;
  return false;
end`;

const WOULD_REFUSE = `
begin
  raise log 'grantable: would refuse % of %: %', action, table_id,
    coalesce(said ->> 'jti', 'no token') || coalesce(' of ' || (said ->> 'client_id'), '');
  return true;
end`;

/** All functions, each after those that it calls. */
export function functions(guard: Guard): string[] {
  const parse = guard.serverVersion >= PG_16 ? PARSE_BY_DATABASE : PARSE_BY_HAND;
  const declared: SqlFunction[] = [
    {
      signature: 'parse(said text)',
      returns: 'jsonb',
      language: guard.serverVersion >= PG_16 ? 'sql' : 'plpgsql',
      options: `strict ${PLAIN_BACKSLASHES}`,
      body: parse,
    },
    { signature: 'is_date(value text)', returns: 'boolean', language: 'plpgsql', body: IS_DATE },
    {
      signature: 'canonical(type text, value text)',
      returns: 'text',
      language: 'plpgsql',
      options: PLAIN_BACKSLASHES,
      body: CANONICAL,
    },
    {
      signature: 'is_ended(nodes text[], as_of numeric)',
      returns: 'boolean',
      language: 'sql',
      options: 'security definer ',
      body: isEndedBody(guard),
    },
    {
      signature: 'guarded()',
      returns: 'jsonb',
      language: 'sql',
      body: `select ${json({ issuer: guard.issuer, resource: guard.resource })}`,
    },
    { signature: 'claims()', returns: 'jsonb', language: 'plpgsql', body: claimsBody(guard) },
    {
      signature: 'flag(said jsonb, table_id text, action text)',
      returns: 'boolean',
      language: 'plpgsql',
      body: FLAG,
    },
    { signature: 'is_list(list jsonb, known text[])', returns: 'boolean', language: 'sql', body: IS_LIST },
    {
      signature: 'conditions(said jsonb, types jsonb)',
      returns: 'jsonb',
      language: 'plpgsql',
      body: CONDITIONS,
    },
    {
      signature: 'cell(table_id text, action text, types jsonb)',
      returns: 'jsonb',
      language: 'plpgsql',
      body: cellBody(guard),
    },
    {
      signature: 'allows(table_id text, action text)',
      returns: 'boolean',
      language: 'sql',
      body: `select grantable.cell(table_id, action, '{}') = '[{}]'`,
    },
    {
      signature: 'candidates(cell jsonb, columns text[], place integer)',
      returns: 'text[]',
      language: 'sql',
      body: CANDIDATES,
    },
    {
      signature: 'values_alone(cell jsonb, name text)',
      returns: 'text[]',
      language: 'sql',
      body: VALUES_ALONE,
    },
    {
      signature: 'branches(cell jsonb, columns text[])',
      returns: 'text[]',
      language: 'sql',
      body: BRANCHES,
    },
    { signature: 'shown(cell jsonb, names text[])', returns: 'jsonb', language: 'sql', body: SHOWN },
    {
      signature: 'meets(cell jsonb, texts jsonb, columns text[])',
      returns: 'boolean',
      language: 'plpgsql',
      body: MEETS,
    },
    {
      signature: 'would_refuse(table_id text, action text)',
      returns: 'boolean',
      language: 'plpgsql',
      body: `declare said jsonb := grantable.claims();${WOULD_REFUSE}`,
    },
  ];
  return declared.map(create);
}

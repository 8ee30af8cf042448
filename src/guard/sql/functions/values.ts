/** Reading JSON, and the one text in which each value of a type is compared; see src/permissions/column-types.ts. */
import { plpgsqlFunction, sqlFunction } from './sql-function.ts';

/** The first version with `pg_input_is_valid`. */
const PG_16 = 160_000;

/** Of functions with backslashes in literals, which are read anew in each session. */
const PLAIN_BACKSLASHES = 'set standard_conforming_strings = on ';

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

export function valueFunctions(serverVersion: number): string[] {
  const parse = ['parse(said text)', 'jsonb'] as const;
  const options = `strict ${PLAIN_BACKSLASHES}`;
  return [
    serverVersion >= PG_16
      ? sqlFunction(...parse, PARSE_BY_DATABASE, options)
      : plpgsqlFunction(...parse, PARSE_BY_HAND, options),
    plpgsqlFunction('is_date(value text)', 'boolean', IS_DATE),
    plpgsqlFunction('canonical(type text, value text)', 'text', CANONICAL, PLAIN_BACKSLASHES),
  ];
}

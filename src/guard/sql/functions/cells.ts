/** What the claims allow of an action on a table; see src/resource-server/verified-token.ts. */
import { ACTIONS } from '../../../permissions/actions.ts';
import { spellingsOf } from '../../../permissions/resource-identifiers.ts';
import type { Guard } from '../../model.ts';
import { KNOWN_CELLS, READER } from '../names.ts';
import { literal, textArray } from '../text.ts';
import { plpgsqlFunction, sqlFunction } from './sql-function.ts';

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

export function cellFunctions(guard: Guard): string[] {
  return [
    plpgsqlFunction('flag(said jsonb, table_id text, action text)', 'boolean', FLAG),
    sqlFunction('is_list(list jsonb, known text[])', 'boolean', IS_LIST),
    plpgsqlFunction('conditions(said jsonb, types jsonb)', 'jsonb', CONDITIONS),
    plpgsqlFunction('cell(table_id text, action text, types jsonb)', 'jsonb', cellBody(guard)),
    sqlFunction(
      'allows(table_id text, action text)',
      'boolean',
      `select grantable.cell(table_id, action, '{}') = '[{}]'`,
    ),
  ];
}

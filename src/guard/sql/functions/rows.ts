/** Rows and columns that alternatives allow, and by which values their rows are found. */
import { plpgsqlFunction, sqlFunction } from './sql-function.ts';

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

export const ROW_FUNCTIONS = [
  sqlFunction('candidates(cell jsonb, columns text[], place integer)', 'text[]', CANDIDATES),
  sqlFunction('values_alone(cell jsonb, name text)', 'text[]', VALUES_ALONE),
  sqlFunction('branches(cell jsonb, columns text[])', 'text[]', BRANCHES),
  sqlFunction('shown(cell jsonb, names text[])', 'jsonb', SHOWN),
  plpgsqlFunction('meets(cell jsonb, texts jsonb, columns text[])', 'boolean', MEETS),
];

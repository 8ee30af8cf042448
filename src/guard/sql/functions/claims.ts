/** The claims of the request, where they are of a token for the resource that holds. */
import { spellingsOf } from '../../../permissions/resource-identifiers.ts';
import { CLOCKS_AGREE_MS } from '../../../registry/nodes.ts';
import type { Guard } from '../../model.ts';
import { json, literal, textArray } from '../text.ts';
import { plpgsqlFunction, sqlFunction } from './sql-function.ts';

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

/** For the mode that only logs. */
const WOULD_REFUSE = `
declare
  said jsonb := grantable.claims();
begin
  raise log 'grantable: would refuse % of %: %', action, table_id,
    coalesce(said ->> 'jti', 'no token') || coalesce(' of ' || (said ->> 'client_id'), '');
  return true;
end`;

export function claimFunctions(guard: Guard): string[] {
  const { issuer, resource } = guard;
  return [
    sqlFunction('is_ended(nodes text[], as_of numeric)', 'boolean', isEndedBody(guard), 'security definer '),
    sqlFunction('guarded()', 'jsonb', `select ${json({ issuer, resource })}`),
    plpgsqlFunction('claims()', 'jsonb', claimsBody(guard)),
    plpgsqlFunction('would_refuse(table_id text, action text)', 'boolean', WOULD_REFUSE),
  ];
}

/**
 * What tokens made from the same decision have in common, kept as long as the decision: only ids and times differ, and
 * where the request came from.
 */
import { createNodeId } from '../registry/token-values.ts';
import type { TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { toSeconds } from '../storage/rows.ts';
import type { GrantRequest } from './grant.ts';
import type { FullRights } from './spelled-rights.ts';

export interface Planned {
  readonly row: TokenRow;
  /** As the answer has them. */
  readonly rights: FullRights;
  /** The claims of the token; empty for one that is not a JWT. */
  readonly json: string;
}

export interface MintTemplate extends Pick<Planned, 'row' | 'rights'> {
  /** The claims before and after those that differ. */
  readonly json: { readonly head: string; readonly tail: string };
}

const idClaims = ({ id, issuedAt, expiresAt }: TokenRow): string =>
  `"exp":${toSeconds(expiresAt)},"iat":${toSeconds(issuedAt)},"jti":${JSON.stringify(id)},`;

const lastClaim = ({ asOf }: TokenRow): string => `,"as_of":${asOf}}`;

/** @returns undefined if the claims are not spelled as expected */
export function toTemplate({ row: first, rights, json }: Planned): MintTemplate | undefined {
  const { requestId: _, ...row } = first;
  if (json === '') return { row, rights, json: { head: '', tail: '' } };
  const ids = idClaims(row);
  const at = json.indexOf(ids);
  const last = lastClaim(row);
  if (at < 0 || !json.endsWith(last)) return undefined;
  const tail = json.slice(at + ids.length, -last.length);
  return { row, rights, json: { head: json.slice(0, at), tail } };
}

export function fromTemplate(
  { row: before, rights, json: { head, tail } }: MintTemplate,
  { asOf, address, requestId }: GrantRequest,
  { issuedAt, expiresAt }: Pick<TokenRow, 'issuedAt' | 'expiresAt'>,
): Planned {
  const id = createNodeId();
  const row: TokenRow = { ...before, ...defined({ requestId }), id, asOf, issuedAt, expiresAt, address };
  return { row, rights, json: head === '' ? '' : head + idClaims(row) + tail + lastClaim(row) };
}

/** What a token carries on from the one that it was made from: how far it is away, and whose rights bound it. */
import type { AccountRef, Bound, TokenRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { Proof } from '../grant.ts';
import type { SubjectToken } from './subject-token.ts';

/** How often something may be made from what was made before. */
export const MAX_DEPTH = 8;

function toRef({ datasource, userTable, groups, columns }: AccountRef): AccountRef {
  return defined({ datasource, userTable, groups, columns });
}

function boundsOf(token: SubjectToken, own: Bound, acts: boolean): readonly Bound[] {
  const parent: Bound = defined({
    acts: acts || undefined,
    application: token.application,
    subject: token.isUser || token.account ? token.subject : undefined,
    account: token.account && toRef(token.account.facts),
  });
  const isSame = parent.application === own.application && parent.subject === own.subject;
  return isSame ? token.bounds : [...token.bounds, parent];
}

/**
 * @param own application and subject of what is made
 * @param act who acts for the subject (RFC 8693 section 4.1)
 * @param hasPower whether that takes no leave of the application that the token was issued to
 */
export function chainOf(
  token: SubjectToken,
  own: Bound,
  act: TokenRow['act'],
  hasPower = false,
): NonNullable<Proof['chain']> {
  return defined({
    depth: token.depth + 1,
    bounds: boundsOf(token, own, hasPower),
    connection: token.connection,
    act,
  });
}

/** Keys that clients prove to have: a token bound to one is good only with a proof of the same (RFC 7800). */
import { ProofRejected } from '../errors/domain.ts';
import type { ProvenKey } from '../storage/rows.ts';

/** @throws ProofRejected if what was presented is bound to a key and the request does not prove that one */
export function requireSameKey(bound: ProvenKey | undefined, proven: ProvenKey | undefined): void {
  if (!bound) return;
  const isSame = bound.jkt === proven?.jkt && bound['x5t#S256'] === proven?.['x5t#S256'];
  if (!isSame) throw new ProofRejected({ reason: 'bound to a key that the request does not prove' });
}

/** How the token is to be presented (RFC 9449 section 5). */
export function tokenTypeOf({ sender }: { readonly sender?: ProvenKey }): 'Bearer' | 'DPoP' {
  return sender?.jkt === undefined ? 'Bearer' : 'DPoP';
}

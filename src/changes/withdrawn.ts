/** What a change withdraws that tokens were made by: trust in an issuer, or who a user is at one. */
import { isDeepStrictEqual } from 'node:util';
import type { CollectionName, IdentityIssuer, Nouns, Organization, User } from '../nouns/index.ts';
import { identityNode, issuerNode } from '../registry/nodes.ts';

/** The nodes below which everything made so far ends. */
export function findWithdrawn<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
): string[] {
  if (collection === 'organizations') return ofOrganization(before as Organization, after as Organization);
  if (collection === 'users') return ofUser(before as User, after as User);
  return [];
}

function ofOrganization({ id, identityIssuers = [] }: Organization, after: Organization): string[] {
  const distrusted = identityIssuers.filter(
    (trusted) =>
      !after.identityIssuers?.some((each) => each.issuer === trusted.issuer && isKept(trusted, each)),
  );
  return distrusted.map(({ issuer }) => issuerNode(id, issuer));
}

/** A further key takes nothing away. */
function isKept({ jwks, jwksUri }: IdentityIssuer, after: IdentityIssuer): boolean {
  const keys = after.jwks?.keys ?? [];
  return (
    jwksUri === after.jwksUri &&
    (jwks?.keys ?? []).every((key) => keys.some((each) => isDeepStrictEqual(each, key)))
  );
}

function ofUser({ id, identities = [] }: User, after: User): string[] {
  const unlinked = identities.filter(
    (identity) => !after.identities?.some((each) => isDeepStrictEqual(each, identity)),
  );
  return unlinked.map((identity) => identityNode(id, identity));
}

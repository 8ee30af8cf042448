/**
 * What a change withdraws that tokens were made by: trust in an issuer, who a user is at one, or that agents may register
 * through an application.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CollectionName, IdentityIssuer, Nouns, Organization, User } from '../nouns/index.ts';
import { identityNode, invitationsNode, issuerNode } from '../registry/nodes.ts';

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

/** Administrators invite within the rights that they have over this application. */
function registersThrough({ agents }: Organization): string | undefined {
  return (agents?.registration ?? 'off') === 'off' ? undefined : agents?.application;
}

function ofOrganization(before: Organization, after: Organization): string[] {
  const { id, identityIssuers = [] } = before;
  const through = registersThrough(before);
  const isClosed = through !== undefined && through !== registersThrough(after);
  const distrusted = identityIssuers.filter(
    (trusted) =>
      !after.identityIssuers?.some((each) => each.issuer === trusted.issuer && isKept(trusted, each)),
  );
  return [
    ...distrusted.map(({ issuer }) => issuerNode(id, issuer)),
    ...(isClosed ? [invitationsNode(id)] : []),
  ];
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

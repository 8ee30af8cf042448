/** Identities that other issuers vouch for: which issuers an organization trusts, and who a user is there. */
import { z } from 'zod';
import type { Frozen } from './noun.ts';
import { foreignSubject, issuer, jwks, keysUrl, listOf } from './values.ts';

const identityIssuer = z
  .strictObject({
    issuer: issuer.describe('Its issuer identifier, as `iss` of its assertions has it. Compared as strings.'),
    jwks: jwks.exactOptional().describe('Its public keys. Either this or `jwksUri`.'),
    jwksUri: keysUrl
      .exactOptional()
      .describe(
        'Where its public keys are fetched from. A host with a private address must be listed in `GRANTABLE_AGENT_HOSTS`.',
      ),
  })
  .refine(({ jwks: keys, jwksUri }) => (keys === undefined) !== (jwksUri === undefined), {
    error: 'has jwks and jwksUri, or neither: give one of them',
  });

const MOST_ISSUERS = 20;

/** Each issuer once. */
export const identityIssuers = listOf(identityIssuer, (each) => each.issuer).max(MOST_ISSUERS);

const identity = z.strictObject({
  issuer: issuer.describe('The issuer identifier, as in `identityIssuers` of the organization.'),
  subject: foreignSubject.describe('What the issuer calls the user: `sub` of its assertions.'),
});

const MOST_IDENTITIES = 10;

/** Each identity once. */
export const identities = listOf(identity, ({ issuer: at, subject }) => `${at} ${subject}`).max(
  MOST_IDENTITIES,
);

/** An issuer that an organization trusts, with its keys or where they are. */
export type IdentityIssuer = Frozen<z.output<typeof identityIssuer>>;

/** Who a user is at an issuer. */
export type Identity = Frozen<z.output<typeof identity>>;

/** The value of the unique key `identity` of users. @param realm of the user */
export function identityKey(realm: string, { issuer: at, subject }: Identity): string {
  return `${realm} ${at} ${subject}`;
}

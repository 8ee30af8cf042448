/** The ID token of a login in the browser (OpenID Connect Core section 3.1.3.3, refreshed ones 12.2). */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { userClaims } from '../directory/accounts.ts';
import type { OpenIdFacts, Proof } from './contract.ts';

/** The engine's typings leave out what filters the claims. */
type IdToken = InstanceType<KoaContextWithOIDC['oidc']['provider']['IdToken']> & {
  scope?: string;
  mask?: object;
};

/**
 * @param accessToken the one that the ID token comes with
 * @returns undefined unless `openid` is among the scopes
 */
export async function issueIdToken(
  ctx: KoaContextWithOIDC,
  proof: Proof & { readonly openid: OpenIdFacts },
  scopes: readonly string[],
  accessToken: string,
): Promise<string | undefined> {
  if (!scopes.includes('openid')) return undefined;
  if (!proof.user) throw new Error('an ID token speaks of somebody');
  const { openid } = proof;
  const token: IdToken = new ctx.oidc.provider.IdToken(
    {
      ...userClaims(proof.user),
      ...(openid.acr !== undefined && { acr: openid.acr }),
      ...(openid.amr !== undefined && { amr: [...openid.amr] }),
      ...(proof.authTime !== undefined && { auth_time: proof.authTime }),
    },
    { ctx },
  );
  token.scope = scopes.join(' ');
  const requested = openid.claims?.id_token;
  if (requested && typeof requested === 'object') token.mask = requested;
  if (openid.nonce !== undefined) token.set('nonce', openid.nonce);
  if (openid.sid !== undefined) token.set('sid', openid.sid);
  // The engine puts the hash in its place (section 3.1.3.6).
  token.set('at_hash', accessToken);
  return token.issue({ use: 'idtoken' });
}

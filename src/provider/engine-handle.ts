/** The engine, as far as a grant may use it: within one request of its chain. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { userClaims } from '../directory/accounts.ts';
import type { EngineHandle, IdTokenFacts, StoredCode } from '../grants/engine-handle.ts';
import { lastsWithSession } from '../grants/expiry.ts';

/** The engine's typings leave out what filters the claims. */
type IdToken = InstanceType<KoaContextWithOIDC['oidc']['provider']['IdToken']> & {
  scope?: string;
  mask?: object;
};

/** The engine's typings leave out the second. */
const WITHOUT_SESSION = { ignoreExpiration: true, ignoreSessionBinding: true };

function issueIdToken(
  ctx: KoaContextWithOIDC,
  { user, openid, authTime, scopes, accessToken }: IdTokenFacts,
): Promise<string> {
  const token: IdToken = new ctx.oidc.provider.IdToken(
    {
      ...userClaims(user),
      ...(openid.acr !== undefined && { acr: openid.acr }),
      ...(openid.amr !== undefined && { amr: [...openid.amr] }),
      ...(authTime !== undefined && { auth_time: authTime }),
    },
    { ctx },
  );
  token.scope = scopes.join(' ');
  const requested = openid.claims?.id_token;
  if (requested && typeof requested === 'object') token.mask = requested;
  if (openid.nonce !== undefined) token.set('nonce', openid.nonce);
  if (openid.sid !== undefined) token.set('sid', openid.sid);
  // The engine replaces it by the hash (section 3.1.3.6).
  token.set('at_hash', accessToken);
  return token.issue({ use: 'idtoken' });
}

export function createEngineHandle(ctx: KoaContextWithOIDC): EngineHandle {
  const { AuthorizationCode, Grant } = ctx.oidc.provider;

  async function findCode(value: string): Promise<StoredCode | undefined> {
    const ofSession = await AuthorizationCode.find(value, { ignoreExpiration: true });
    if (ofSession) return ofSession;
    const code = await AuthorizationCode.find(value, WITHOUT_SESSION);
    // The engine ties every code to its session, also those of logins that go on without it.
    return code && !lastsWithSession((code.scope ?? '').split(' ')) ? code : undefined;
  }

  return {
    findCode,
    findConsent: (id) => Grant.find(id),
    issueIdToken: (facts) => issueIdToken(ctx, facts),
  };
}

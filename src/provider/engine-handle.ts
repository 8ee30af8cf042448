/** The engine, as far as the token service uses it: the codes and consents that it keeps, and ID tokens. */
import { errors, type Provider } from 'oidc-provider';
import { userClaims } from '../accounts/user-claims.ts';
import { ProofRejected } from '../errors/domain.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { defined } from '../storage/defined.ts';
import type { EngineHandle, IdTokenFacts, StoredCode } from '../tokens/engine-handle.ts';
import { lastsWithSession } from '../tokens/expiry.ts';
import { toClient } from './clients.ts';

type Client = InstanceType<Provider['Client']>;

/** The engine's typings leave out what filters the claims, and that a client can be given instead of a request. */
type IdToken = InstanceType<Provider['IdToken']> & { scope?: string; mask?: object };
type IdTokens = new (claims: object, audience: { readonly client: Client }) => IdToken;

/** The engine's typings leave out the second. */
const WITHOUT_SESSION = { ignoreExpiration: true, ignoreSessionBinding: true };

async function issueIdToken(
  provider: Provider,
  { client: active, user, openid, authTime, scopes, accessToken }: IdTokenFacts,
): Promise<string> {
  const client = await toClient(provider, active);
  const token = new (provider.IdToken as unknown as IdTokens)(
    {
      ...userClaims(user),
      ...defined({
        acr: openid.acr,
        amr: openid.amr === undefined ? undefined : [...openid.amr],
        auth_time: authTime,
      }),
    },
    { client },
  );
  token.scope = scopes.join(' ');
  const requested = openid.claims?.id_token;
  if (requested && typeof requested === 'object') token.mask = requested;
  if (openid.nonce !== undefined) token.set('nonce', openid.nonce);
  if (openid.sid !== undefined) token.set('sid', openid.sid);
  // The engine replaces it by the hash (OpenID Connect Core section 3.1.3.6).
  token.set('at_hash', accessToken);
  return token.issue({ use: 'idtoken' });
}

/** Of parallel uses the store lets one through. The others get the engine's error, which callers do not know. */
function withOwnError(code: StoredCode): StoredCode {
  const consume = code.consume.bind(code);
  return Object.assign(code, {
    consume: () =>
      consume().catch((cause: unknown) => {
        if (!(cause instanceof errors.InvalidGrant)) throw cause;
        throw new ProofRejected({ reason: 'code used at the same time', cause });
      }),
  });
}

/** @param current the engine of the moment: it is replaced when keys change */
export function createEngineHandle(current: () => Provider): EngineHandle {
  return {
    async findCode(value) {
      const { AuthorizationCode } = current();
      const ofSession = await AuthorizationCode.find(value, { ignoreExpiration: true });
      if (ofSession) return withOwnError(ofSession);
      const code: StoredCode | undefined = await AuthorizationCode.find(value, WITHOUT_SESSION);
      // The engine ties every code to its session, also those of logins that go on without it.
      return code && !lastsWithSession(scopesOf(code.scope)) ? withOwnError(code) : undefined;
    },
    findConsent: (id) => current().Grant.find(id),
    issueIdToken: (facts) => issueIdToken(current(), facts),
  };
}

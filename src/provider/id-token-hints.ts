/** ID tokens as hints at logout and at the authorization endpoint. */
import { decodeProtectedHeader } from 'jose';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { SIGNING_ALGS, type SigningAlg } from '../nouns/signing-algs.ts';

interface HintClient {
  readonly clientId: string;
  readonly idTokenSignedResponseAlg: string;
}
/** The engine's typings lack the method that checks a hint. */
type IdTokens = { validate(jwt: string, client: HintClient): Promise<unknown> };

function algOf(jwt: string): SigningAlg | undefined {
  try {
    const { alg } = decodeProtectedHeader(jwt);
    return SIGNING_ALGS.find((each) => each === alg);
  } catch {
    return undefined;
  }
}

/**
 * The engine accepts hints only in the client's current algorithm; we also accept one in an earlier algorithm while its
 * key is published.
 */
export function acceptEarlierHints({ IdToken }: Provider): void {
  const idTokens = IdToken as unknown as IdTokens;
  const validate = idTokens.validate.bind(IdToken);
  idTokens.validate = (jwt, { clientId, idTokenSignedResponseAlg }) =>
    validate(jwt, { clientId, idTokenSignedResponseAlg: algOf(jwt) ?? idTokenSignedResponseAlg });
}

/**
 * The request keeps the subject of a hint that the engine has checked, for the comparison after the login. An ID token
 * does not belong in the store.
 */
export function keepHintedPerson({ oidc: { params, entities } }: KoaContextWithOIDC): void {
  if (params && entities.IdTokenHint) params.id_token_hint = entities.IdTokenHint.payload.sub;
}

/** ID tokens as hints at logout and at the authorization endpoint. */
import { decodeProtectedHeader } from 'jose';
import type { Provider } from 'oidc-provider';
import { SIGNING_ALGS, type SigningAlg } from '../storage/signing-algs.ts';

interface HintClient {
  readonly clientId: string;
  readonly idTokenSignedResponseAlg: string;
}
/** The engine's typings leave out how it looks at a hint. */
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
 * The engine takes hints only in the algorithm that the client has now; one that was given before the application named
 * another is good as long as its key is published.
 */
export function takeEarlierHints({ IdToken }: Provider): void {
  const idTokens = IdToken as unknown as IdTokens;
  const validate = idTokens.validate.bind(IdToken);
  idTokens.validate = (jwt, { clientId, idTokenSignedResponseAlg }) =>
    validate(jwt, { clientId, idTokenSignedResponseAlg: algOf(jwt) ?? idTokenSignedResponseAlg });
}

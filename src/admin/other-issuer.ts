/** A command without the server's environment variables uses another issuer and does not recognise its JWTs. */
import { decodeJwt } from 'jose';
import { quote } from '../errors/texts.ts';
import { looksLikeJwt } from '../tokens/presented-tokens.ts';

/** @returns why this issuer cannot recognise the token, if it is a JWT that names another one */
export function describeOtherIssuer(token: string, issuer: string): string | undefined {
  const named = looksLikeJwt(token) ? issuerOf(token) : undefined;
  if (named === undefined || named === issuer) return undefined;
  return `its issuer is ${quote(named)}, and the issuer of this command is ${quote(issuer)}: run the command with the environment variables of the server`;
}

function issuerOf(jwt: string): string | undefined {
  try {
    const { iss } = decodeJwt(jwt);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What a `private_key_jwt` assertion must say beyond what the engine checks (RFC 7523 section 3, RFC 10070): one
 * audience, the issuer, as a string; a short life; no header that points at keys.
 */
import { errors } from 'oidc-provider';

/** Seconds. */
const MAX_LIFE = 3600;
/** Seconds that clocks may differ. */
const TOLERANCE = 15;
const KEY_POINTERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip'];
const TYPES = ['jwt', 'client-authentication+jwt', 'application/client-authentication+jwt'];

/** What is wrong with it; undefined if nothing is. */
function problemOf(
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  { issuer, now }: { issuer: string; now: () => number },
): string | undefined {
  const latest = Math.floor(now() / 1000) + TOLERANCE;
  const { aud, iss, sub, exp, nbf, iat, jti } = claims;
  if (aud !== issuer) return 'aud must be the issuer, as a string';
  if (iss !== sub) return 'iss and sub must be the client_id';
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return 'exp must be a number';
  if (exp > latest + MAX_LIFE) return 'exp is too far away';
  for (const time of [nbf, iat]) {
    if (time !== undefined && !(typeof time === 'number' && time <= latest))
      return 'nbf or iat lies in the future';
  }
  if (typeof jti !== 'string' || jti.length > 256) return 'jti must be a string of at most 256 characters';
  const pointer = KEY_POINTERS.find((name) => name in header);
  if (pointer) return `header ${pointer} is not accepted`;
  if (header.typ !== undefined && !TYPES.includes(String(header.typ).toLowerCase())) return 'wrong typ';
  return undefined;
}

/** @throws InvalidClientAuth of the engine, with the reason for the log only */
export function requireSoundAssertion(
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  context: { issuer: string; now: () => number },
): void {
  const problem = problemOf(claims, header, context);
  if (problem) throw new errors.InvalidClientAuth(problem);
}

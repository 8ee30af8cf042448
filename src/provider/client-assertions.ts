/**
 * What a `private_key_jwt` assertion must say beyond what the engine checks (RFC 7523 section 3, RFC 10070): one
 * audience, the issuer; a short life; no header that points at keys. This check comes before the signature, so that the
 * log names the problem in our words; the engine then verifies the same text.
 */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { quote } from '../errors/texts.ts';

/** Seconds that clocks may differ. */
export const ASSERTION_TOLERANCE = 15;

/** Seconds. */
const MAX_LIFE = 3600;
const KEY_POINTERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip'];
const TYPES = ['jwt', 'client-authentication+jwt', 'application/client-authentication+jwt'];

export interface AssertionContext {
  readonly issuer: string;
  /**
   * Accepted as audience beside the issuer: the URL of the token endpoint, at that endpoint, for applications with that
   * setting.
   */
  readonly endpoint?: string | undefined;
  /** Milliseconds. */
  readonly now: () => number;
}

const show = (value: unknown): string =>
  quote(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** An array of one member says the same as that member (RFC 7519 section 4.1.3). */
function findAudienceProblem(aud: unknown, { issuer, endpoint }: AssertionContext): string | undefined {
  const only = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (only === issuer || (endpoint !== undefined && only === endpoint)) return undefined;
  const right = endpoint === undefined ? quote(issuer) : `${quote(issuer)} or ${quote(endpoint)}`;
  return `${aud === undefined ? 'aud is missing' : `aud is ${show(aud)}`}: it must be the issuer ${right} and nothing else`;
}

/** `exp`, `nbf` and `iat`, in seconds. */
function findTimeProblem(claims: Record<string, unknown>, seconds: number): string | undefined {
  const { exp } = claims;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return 'exp must be a number';
  if (exp <= seconds - ASSERTION_TOLERANCE) return `exp was ${Math.ceil(seconds - exp)} s ago`;
  const latest = seconds + ASSERTION_TOLERANCE;
  if (exp > latest + MAX_LIFE) return `exp is more than ${MAX_LIFE} s away`;
  for (const name of ['nbf', 'iat']) {
    const time = claims[name];
    if (time === undefined) continue;
    if (typeof time !== 'number') return `${name} must be a number`;
    if (time > latest) return `${name} is ${Math.ceil(time - seconds)} s ahead`;
  }
  return undefined;
}

function findHeaderProblem(header: Record<string, unknown>): string | undefined {
  const pointer = KEY_POINTERS.find((name) => name in header);
  if (pointer) return `the header ${pointer} is not accepted`;
  const { typ } = header;
  if (typ === undefined || TYPES.includes(String(typ).toLowerCase())) return undefined;
  return `typ is ${show(typ)}: leave it out, or use client-authentication+jwt`;
}

/** @returns the problem, for the log; undefined if there is none, or if it is not a JWT, which the engine reports */
export function findAssertionProblem(assertion: string, context: AssertionContext): string | undefined {
  let claims: Record<string, unknown>;
  let header: Record<string, unknown>;
  try {
    [claims, header] = [decodeJwt(assertion), decodeProtectedHeader(assertion)];
  } catch {
    return undefined;
  }
  const { aud, iss, sub, jti } = claims;
  const problem =
    findAudienceProblem(aud, context) ??
    (iss === sub ? undefined : `iss is ${show(iss)} and sub is ${show(sub)}: both must be the client_id`) ??
    findTimeProblem(claims, Math.floor(context.now() / 1000)) ??
    (typeof jti === 'string' && jti.length <= 256
      ? undefined
      : 'jti must be a string of at most 256 characters') ??
    findHeaderProblem(header);
  return problem && `the assertion is refused: ${problem}`;
}

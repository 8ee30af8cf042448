/**
 * What every JWT must fulfil that another party signs to prove something here (RFC 7523 section 3): one audience, a short
 * life, no header that points at keys, a key that is known for it. `assertions.ts` judges those of clients.
 */
import {
  compactVerify,
  createLocalJWKSet,
  type decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
} from 'jose';
import { quote } from '../errors/texts.ts';
import type { Application } from '../nouns/index.ts';
import { SIGNING_ALGS } from '../nouns/signing-algs.ts';

/** Seconds that clocks may differ. */
export const ASSERTION_TOLERANCE = 15;

/** They point at keys, or change how the rest is read. */
const REFUSED_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip'];

export type Header = ReturnType<typeof decodeProtectedHeader>;

/** For whom an assertion must be meant, and when. */
export interface AssertionContext {
  readonly issuer: string;
  /** The URL of the token endpoint where it is accepted as audience beside the issuer. */
  readonly endpoint?: string | undefined;
  /** Milliseconds. */
  readonly now: () => number;
}

export type PublicKeys = NonNullable<Application['jwks']>;

export const show = (value: unknown): string =>
  quote(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** What one kind of assertion has to fulfil. */
export interface AssertionRules {
  /** Seconds. */
  readonly maxLife: number;
  /** In lower case; undefined: `typ` may be left out. */
  readonly types: readonly unknown[];
  /** What to do about a `typ` that is not one of them. */
  readonly typeRemedy: string;
}

/** An array of one member says the same as that member (RFC 7519 section 4.1.3). @param endpoint accepted too */
function findAudienceProblem(aud: unknown, issuer: string, endpoint?: string): string | undefined {
  const only = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (only === issuer || (endpoint !== undefined && only === endpoint)) return undefined;
  const right = endpoint === undefined ? quote(issuer) : `${quote(issuer)} or ${quote(endpoint)}`;
  return `${aud === undefined ? 'aud is missing' : `aud is ${show(aud)}`}: it must be the issuer ${right} and nothing else`;
}

/** `exp`, `nbf` and `iat`. @param seconds the time @param maxLife seconds */
function findTimeProblem(claims: JWTPayload, seconds: number, maxLife: number): string | undefined {
  const { exp } = claims;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return 'exp must be a number';
  if (exp <= seconds - ASSERTION_TOLERANCE) return `exp was ${Math.ceil(seconds - exp)} s ago`;
  const latest = seconds + ASSERTION_TOLERANCE;
  if (exp > latest + maxLife) return `exp is more than ${maxLife} s away`;
  for (const name of ['nbf', 'iat']) {
    const time = claims[name];
    if (time === undefined) continue;
    if (typeof time !== 'number') return `${name} must be a number`;
    if (time > latest) return `${name} is ${Math.ceil(time - seconds)} s ahead`;
  }
  return undefined;
}

function findJtiProblem(jti: unknown): string | undefined {
  const isRight = typeof jti === 'string' && jti !== '' && jti.length <= 256;
  return isRight ? undefined : 'jti must be a string of 1 to 256 characters';
}

function findHeaderProblem(header: Header, { types, typeRemedy }: AssertionRules): string | undefined {
  const refused = REFUSED_HEADERS.find((name) => name in header);
  if (refused !== undefined) return `the header ${refused} is not accepted`;
  const { typ } = header;
  if (types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)) return undefined;
  return `typ is ${show(typ)}: ${typeRemedy}`;
}

/** @returns what is wrong with the members that every kind has, for the log; undefined if nothing is */
export function findCommonProblem(
  claims: JWTPayload,
  header: Header,
  rules: AssertionRules,
  { issuer, endpoint, now }: AssertionContext,
): string | undefined {
  return (
    findHeaderProblem(header, rules) ??
    findAudienceProblem(claims.aud, issuer, endpoint) ??
    findTimeProblem(claims, Math.floor(now() / 1000), rules.maxLife) ??
    findJtiProblem(claims.jti)
  );
}

/** Milliseconds: when it is refused for its age, so that its use need not be remembered any longer. */
export function forgottenAt({ exp }: JWTPayload): number {
  // The time is held against full seconds.
  return (Math.ceil(Number(exp)) + ASSERTION_TOLERANCE) * 1000;
}

/** Key sets are made once for each revision of what has them. */
const keySets = new WeakMap<object, ReturnType<typeof createLocalJWKSet>>();

function keySetOf(jwks: PublicKeys): ReturnType<typeof createLocalJWKSet> {
  const known = keySets.get(jwks) ?? createLocalJWKSet(jwks as JSONWebKeySet);
  keySets.set(jwks, known);
  return known;
}

/** @throws JOSEError if no key of the set has signed it; DOMException if a key cannot be read */
export async function verifySignature(assertion: string, jwks: PublicKeys): Promise<void> {
  const options = { algorithms: [...SIGNING_ALGS] };
  try {
    await compactVerify(assertion, keySetOf(jwks), options);
  } catch (error) {
    // The header names no key, and several have its algorithm.
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      const isRight = await compactVerify(assertion, key, options).then(
        () => true,
        () => false,
      );
      if (isRight) return;
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Why a JWT cannot be read or was not signed by a key. @throws any other error again */
export function tellRefusal(error: unknown): string {
  if (error instanceof DOMException) return `a registered key cannot be read: ${error.message}`;
  if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
  return error.message;
}

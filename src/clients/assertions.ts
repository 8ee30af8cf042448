/**
 * Assertions of `private_key_jwt` clients (RFC 7523 section 3, RFC 10070): one audience, the issuer; a short life; no
 * header that points at keys; signed by a registered key; good once.
 */
import { hash } from 'node:crypto';
import {
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
} from 'jose';
import { quote } from '../errors/texts.ts';
import type { Application } from '../nouns/index.ts';
import { SIGNING_ALGS } from '../nouns/signing-algs.ts';
import type { ArtifactStore } from '../storage/contract.ts';

/** Seconds that clocks may differ. */
export const ASSERTION_TOLERANCE = 15;

/** Seconds. */
const MAX_LIFE = 3600;
const KEY_POINTERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip'];
const USED_ASSERTIONS = 'UsedAssertion';
const TYPES = ['jwt', 'client-authentication+jwt', 'application/client-authentication+jwt'];

export interface AssertionContext {
  readonly issuer: string;
  /**
   * Accepted as audience beside the issuer: the URL of the token endpoint, at that endpoint, for applications with that
   * setting.
   */
  readonly endpoint?: string | undefined;
  readonly used: Pick<ArtifactStore, 'insert'>;
  /** Milliseconds. */
  readonly now: () => number;
}

type Header = ReturnType<typeof decodeProtectedHeader>;

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
function findTimeProblem(claims: JWTPayload, seconds: number): string | undefined {
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

function findHeaderProblem(header: Header): string | undefined {
  const pointer = KEY_POINTERS.find((name) => name in header);
  if (pointer) return `the header ${pointer} is not accepted`;
  const { typ } = header;
  if (typ === undefined || TYPES.includes(String(typ).toLowerCase())) return undefined;
  return `typ is ${show(typ)}: leave it out, or use client-authentication+jwt`;
}

/** @returns the problem, for the log; undefined if it is valid */
function findProblem(claims: JWTPayload, header: Header, context: AssertionContext): string | undefined {
  const { aud, iss, sub, jti } = claims;
  return (
    findAudienceProblem(aud, context) ??
    (iss === sub ? undefined : `iss is ${show(iss)} and sub is ${show(sub)}: both must be the client_id`) ??
    findTimeProblem(claims, Math.floor(context.now() / 1000)) ??
    (typeof jti === 'string' && jti !== '' && jti.length <= 256
      ? undefined
      : 'jti must be a string of 1 to 256 characters') ??
    findHeaderProblem(header)
  );
}

/** Key sets are made once for each revision of an application. */
const keySets = new WeakMap<object, ReturnType<typeof createLocalJWKSet>>();

function keySetOf(jwks: NonNullable<Application['jwks']>): ReturnType<typeof createLocalJWKSet> {
  const known = keySets.get(jwks) ?? createLocalJWKSet(jwks as JSONWebKeySet);
  keySets.set(jwks, known);
  return known;
}

/** @throws JOSEError if no key of the set has signed it */
async function verifySignature(assertion: string, jwks: NonNullable<Application['jwks']>): Promise<void> {
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

/** Each assertion is good once, whichever process gets it. */
async function isFirstUse({ iss, jti, exp }: JWTPayload, { used, now }: AssertionContext): Promise<boolean> {
  const key = hash('sha256', `${iss}\0${jti}`, 'buffer');
  // The time is held against full seconds.
  const expiresAt = (Math.ceil(Number(exp)) + ASSERTION_TOLERANCE) * 1000;
  return used.insert(USED_ASSERTIONS, key, { payload: {}, expiresAt }, now());
}

/**
 * @returns why the assertion does not authenticate the application, for the log; undefined if it does, and is then used
 *   up
 */
export async function findAssertionProblem(
  assertion: string,
  { jwks = { keys: [] } }: Application,
  context: AssertionContext,
): Promise<string | undefined> {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(assertion);
    const problem = findProblem(claims, decodeProtectedHeader(assertion), context);
    if (problem !== undefined) return `the assertion is refused: ${problem}`;
    await verifySignature(assertion, jwks);
  } catch (error) {
    if (error instanceof DOMException) return `a registered key cannot be read: ${error.message}`;
    if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
    return `the assertion is refused: ${error.message}`;
  }
  return (await isFirstUse(claims, context))
    ? undefined
    : 'the assertion is refused: it must only be used once';
}

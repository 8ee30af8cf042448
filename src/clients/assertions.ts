/**
 * Assertions of `private_key_jwt` clients (RFC 7523 section 3, RFC 10070): one audience, the issuer; a short life; no
 * header that points at keys; signed by a registered key; good once.
 */
import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Application } from '../nouns/index.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import {
  findAudienceProblem,
  findJtiProblem,
  findPointerProblem,
  findTimeProblem,
  forgottenAt,
  type Header,
  show,
  tellRefusal,
  verifySignature,
} from './signed-assertions.ts';

/** Seconds. */
const MAX_LIFE = 3600;
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

function findTypeProblem({ typ }: Header): string | undefined {
  if (typ === undefined || (typeof typ === 'string' && TYPES.includes(typ.toLowerCase()))) return undefined;
  return `typ is ${show(typ)}: leave it out, or use client-authentication+jwt`;
}

/** @returns the problem, for the log; undefined if it is valid */
function findProblem(
  claims: JWTPayload,
  header: Header,
  { issuer, endpoint, now }: AssertionContext,
): string | undefined {
  const { aud, iss, sub, jti } = claims;
  return (
    findAudienceProblem(aud, issuer, endpoint) ??
    (iss === sub ? undefined : `iss is ${show(iss)} and sub is ${show(sub)}: both must be the client_id`) ??
    findTimeProblem(claims, Math.floor(now() / 1000), MAX_LIFE) ??
    findJtiProblem(jti) ??
    findPointerProblem(header) ??
    findTypeProblem(header)
  );
}

/** Each assertion is good once, whichever process gets it. */
async function isFirstUse(claims: JWTPayload, { used, now }: AssertionContext): Promise<boolean> {
  const key = hash('sha256', `${claims.iss}\0${claims.jti}`, 'buffer');
  return used.insert(USED_ASSERTIONS, key, { payload: {}, expiresAt: forgottenAt(claims) }, now());
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
    return `the assertion is refused: ${tellRefusal(error)}`;
  }
  return (await isFirstUse(claims, context))
    ? undefined
    : 'the assertion is refused: it must only be used once';
}

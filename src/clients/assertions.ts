/**
 * Assertions of `private_key_jwt` clients (RFC 7523 section 3, RFC 10070): one audience, the issuer; a short life; no
 * header that points at keys; signed by a registered key; good once.
 */
import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Application } from '../nouns/index.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import {
  type AssertionContext,
  type AssertionRules,
  findCommonProblem,
  forgottenAt,
  show,
  tellRefusal,
  verifySignature,
} from './signed-assertions.ts';

const USED_ASSERTIONS = 'UsedAssertion';
const RULES: AssertionRules = {
  maxLife: 3600,
  types: [undefined, 'jwt', 'client-authentication+jwt', 'application/client-authentication+jwt'],
  typeRemedy: 'leave it out, or use client-authentication+jwt',
};

interface ClientAssertionContext extends AssertionContext {
  readonly used: Pick<ArtifactStore, 'insert'>;
}

function findPartiesProblem({ iss, sub }: JWTPayload): string | undefined {
  return iss === sub ? undefined : `iss is ${show(iss)} and sub is ${show(sub)}: both must be the client_id`;
}

/** Each assertion is good once, whichever process gets it. */
async function isFirstUse(claims: JWTPayload, { used, now }: ClientAssertionContext): Promise<boolean> {
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
  context: ClientAssertionContext,
): Promise<string | undefined> {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(assertion);
    const problem =
      findCommonProblem(claims, decodeProtectedHeader(assertion), RULES, context) ??
      findPartiesProblem(claims);
    if (problem !== undefined) return `the assertion is refused: ${problem}`;
    await verifySignature(assertion, jwks);
  } catch (error) {
    return `the assertion is refused: ${tellRefusal(error)}`;
  }
  return (await isFirstUse(claims, context))
    ? undefined
    : 'the assertion is refused: it must only be used once';
}

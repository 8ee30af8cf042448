/** Bearer tokens in the `Authorization` header, and what a client is told whose token is not good (RFC 6750). */
import type { DomainError } from '../errors/domain.ts';

/** RFC 6750 section 2.1. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** What an `error_description` may have (RFC 6750 section 3). */
const NOT_IN_DESCRIPTION = /[^ !#-[\]-~]/g;

/** @returns undefined if the header is not Bearer and a token */
export function readBearer(authorization: string): string | undefined {
  return BEARER.exec(authorization)?.[1];
}

/**
 * For `WWW-Authenticate` (RFC 6750 section 3, RFC 9470 section 3).
 * @param error absent: the request has no token at all, so it is told how to send one and not that one is wrong
 */
export function describeChallenge(realm: string, error?: DomainError): string {
  const parameters: Record<string, string | number> = { realm };
  if (error) {
    parameters.error = error.error;
    parameters.error_description = error.told.replace(NOT_IN_DESCRIPTION, "'");
    if ('maxAge' in error && typeof error.maxAge === 'number') parameters.max_age = error.maxAge;
  }
  const said = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return `Bearer ${said.join(', ')}`;
}

/**
 * RFC 6749 section 4.1.3 with PKCE (RFC 7636). The engine made the code; redeeming it is ours, because a code that
 * another client or a wrong verifier presents is burnt, and because every token is made on one path.
 */

import { hash, timingSafeEqual } from 'node:crypto';
import { requireText } from '../../clients/form.ts';
import { userSubject } from '../../directory/subjects.ts';
import { MalformedRequest, ProofRejected } from '../../errors/domain.ts';
import { mayOmitPkce } from '../../nouns/redirect-uris.ts';
import { EVERYTHING, intersect } from '../../permissions/permissions.ts';
import { fromStored } from '../../permissions/stored.ts';
import { consentNode, grantNode, logoutNode } from '../../registry/nodes.ts';
import { defined } from '../../storage/defined.ts';
import type { OpenIdFacts } from '../../storage/rows.ts';
import { type Consent, findAgreed, isOfAgent, isOlder } from '../consent.ts';
import type { StoredCode } from '../engine-handle.ts';
import { browserLoginTtl, lastsWithSession } from '../expiry.ts';
import type { Grant, GrantRequest } from '../grant.ts';
import { readKept } from '../kept-request.ts';
import type { GrantParts } from './parts.ts';

const VERIFIER_PATTERN = /^[A-Za-z0-9._~-]{43,128}$/;

function isVerifier(verifier: string, challenge: string): boolean {
  const given = Buffer.from(hash('sha256', verifier, 'base64url'));
  const wanted = Buffer.from(challenge);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/**
 * A verifier without a challenge shows that an attacker removed the challenge from the request (RFC 9700 section
 * 4.8.2).
 */
function mismatchWithoutChallenge(
  { redirectUri = '' }: StoredCode,
  { parameters, client }: GrantRequest,
): string | undefined {
  if (parameters.code_verifier !== undefined) return 'code_verifier for a code without a challenge';
  return mayOmitPkce(client.application, redirectUri) ? undefined : 'code without a challenge';
}

/** Why this request may not have the code; undefined if it may. */
function mismatch(code: StoredCode, request: GrantRequest): string | undefined {
  const { parameters, client } = request;
  if (code.clientId !== client.application.clientId) return 'code of another client';
  if (code.redirectUri !== parameters.redirect_uri) return 'redirect_uri is not the one of the request';
  if (code.codeChallenge === undefined) return mismatchWithoutChallenge(code, request);
  if (typeof parameters.code_verifier !== 'string') return 'no code_verifier';
  if (code.codeChallengeMethod !== 'S256') return 'code without a challenge of S256';
  return isVerifier(parameters.code_verifier, code.codeChallenge) ? undefined : 'wrong code_verifier';
}

function openIdFacts(code: StoredCode): OpenIdFacts {
  if (!code.grantId) throw new ProofRejected({ reason: 'code without consent' });
  return defined({
    scope: code.scope ?? '',
    clientId: String(code.clientId),
    grantId: code.grantId,
    claims: code.claims as Record<string, unknown> | undefined,
    nonce: code.nonce,
    sid: code.sid,
    acr: code.acr,
    amr: code.amr,
    sessionUid: code.sessionUid,
  });
}

/** What was asked for, as the page showed it: a role or a value that has changed since does not add rights. */
function agreedTo(code: StoredCode, consent: Consent, resource: string | undefined) {
  const { tables, asScopes } = readKept(code.rar) ?? {};
  const agreed = resource === undefined ? EVERYTHING : findAgreed(consent, resource);
  return defined({ permissions: tables ? intersect(fromStored(tables), agreed) : agreed, asScopes });
}

export function createAuthorizationCodeGrant(parts: GrantParts): Grant {
  const { engine, registry, users, lostAnswers, consents, lifetimes, now } = parts;

  /**
   * Ends the consent and with it all that was ever made from this code (RFC 6749 section 4.1.2). The person is asked
   * again next time; a consent that has ended but can still be found would make all further codes dead ones.
   */
  async function burn(code: StoredCode, reason: string, { view }: GrantRequest): Promise<never> {
    // One that was used is burnt too, and the marks below end what came from it whether or not this was written.
    await code.consume().catch(() => undefined);
    if (code.grantId) {
      const owner = await view.findApplication(code.clientId ?? '', code.resource);
      // Another organization may have presented it.
      const scope = owner && { organization: owner.organization.id };
      await registry.markAboveLogins(grantNode(code.grantId), { revokedAt: now() }, scope);
      await (await engine.findConsent(code.grantId))?.destroy();
      if (owner && code.accountId) await consents.forget(code.accountId, owner.application.id);
    }
    throw new ProofRejected({ reason });
  }

  return {
    type: 'authorization_code',
    name: 'authorization_code',
    goesOn: true,
    parameters: ['code', 'redirect_uri', 'code_verifier'],
    async prove(request) {
      const { parameters } = request;
      const value = requireText(parameters, 'code');
      requireText(parameters, 'redirect_uri');
      const verifier = parameters.code_verifier;
      if (verifier !== undefined && (typeof verifier !== 'string' || !VERIFIER_PATTERN.test(verifier))) {
        throw new MalformedRequest({ description: 'code_verifier must be 43 to 128 unreserved characters.' });
      }
      const code = await engine.findCode(value);
      if (!code) throw new ProofRejected({ reason: 'unknown code' });
      if (code.isExpired) throw new ProofRejected({ reason: 'expired code' });
      const wrong = mismatch(code, request);
      if (wrong) return burn(code, wrong, request);
      const name = `code ${hash('sha256', value, 'base64url').slice(0, 22)}`;
      if (code.consumed) {
        // Whether a token was made is not known, so there is no second one; but the code was not stolen either.
        if (await lostAnswers.has(name)) throw new ProofRejected({ reason: 'used when the store went away' });
        return burn(code, 'code used before', request);
      }

      const openid = openIdFacts(code);
      const grant = await engine.findConsent(openid.grantId);
      if (!grant || grant.clientId !== code.clientId || grant.accountId !== code.accountId) {
        throw new ProofRejected({ reason: 'the consent is gone' });
      }
      const user = code.accountId ? await users.findBySubject(code.accountId) : undefined;
      if (!user) throw new ProofRejected({ reason: 'the user is gone or disabled' });
      // Two organizations may know an agent by one client id.
      if (user.realm !== request.client.application.realm)
        return burn(code, 'the code is of a user of another realm', request);
      const { application, organization } = request.client;
      if (isOlder(grant, application))
        throw new ProofRejected({ reason: 'consent to an earlier application' });
      const resource = typeof code.resource === 'string' ? code.resource : undefined;
      if (!isOfAgent(grant, resource, application))
        throw new ProofRejected({
          reason: 'the agent has described itself in another way since the consent',
        });
      const scopes = openid.scope.split(' ');
      const ancestors = [
        grantNode(openid.grantId),
        ...(lastsWithSession(scopes) ? [logoutNode(openid.grantId)] : []),
      ];
      const consent = consentNode(userSubject(user), application.id);
      const above = [...ancestors, consent, user.id, application.id, organization.id];
      if (!(await registry.isAlive(above, (code.iat ?? 0) * 1000))) {
        throw new ProofRejected({ reason: 'the login behind the code has ended' });
      }
      return defined({
        subject: userSubject(user),
        user,
        openid,
        ancestors,
        authenticatedAt: code.authTime === undefined ? undefined : code.authTime * 1000,
        parent: {
          resource,
          scope: openid.scope,
          ...agreedTo(code, grant, resource),
        },
        startsLogin: true,
        // Otherwise the face or the server sets its lifetime.
        loginTtl: lastsWithSession(scopes) ? browserLoginTtl(scopes, lifetimes) : undefined,
        async spend() {
          await code.consume().catch((error: unknown) => {
            if (!(error instanceof ProofRejected)) throw error;
            return burn(code, 'code used at the same time', request);
          });
          return undefined;
        },
        onAnswerLost: () => lostAnswers.remember(name),
      });
    },
  };
}

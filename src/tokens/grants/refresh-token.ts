/**
 * RFC 6749 section 6, rotating (RFC 9700 section 4.14.2). One compare-and-set moves a login from its current refresh
 * token to the successor, which is derived from it: a client that presents the same token again within the grace gets
 * the same successor, so a client whose connection broke can retry. Later reuse ends the login.
 *
 * The row of a person in a user table is read again each time. The login keeps what it says; if it is gone, it ends the
 * login.
 */
import { isDeepStrictEqual } from 'node:util';
import { requireText } from '../../clients/form.ts';
import type { DatabaseAccount } from '../../datasources/logins.ts';
import { parseUserSubject } from '../../directory/subjects.ts';
import { ProofRejected, RefreshTokenTooOld } from '../../errors/domain.ts';
import { type User, usesSecret } from '../../nouns/index.ts';
import { fromStoredAccess } from '../../permissions/device-access.ts';
import { fromStored } from '../../permissions/stored.ts';
import { earlierTokensNode } from '../../registry/nodes.ts';
import type { AccountFacts, LoginRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { OpenIdFacts } from '../../storage/rows.ts';
import type { Grant, GrantRequest } from '../grant.ts';
import type { GrantParts } from './parts.ts';

/** A retry this soon after the rotation is honest. */
const GRACE_MS = 5_000;

/** A nonce belongs to the first ID token of a login; clients may refuse it in a later one (OIDC Core section 12.2). */
function withoutNonce({ nonce: _, ...openid }: OpenIdFacts): OpenIdFacts {
  return openid;
}

const nameOf = (presented: Buffer): string => `refresh ${presented.toString('base64url').slice(0, 22)}`;

export function createRefreshTokenGrant(parts: GrantParts): Grant {
  const { registry, logins, refreshTokens, users, databaseLogins, lostAnswers, audit, now } = parts;

  async function end(
    login: LoginRow,
    event: string,
    reason: string,
    { address, requestId }: GrantRequest,
  ): Promise<void> {
    await registry.endLogin(login);
    await audit.append(
      defined({
        at: now(),
        event,
        outcome: 'denied',
        reason,
        subject: login.subject,
        client: login.clientId,
        organization: login.organization,
        address,
        requestId,
      }),
    );
  }

  /** The token is neither current nor within the grace: another party has it too. */
  async function endReused(login: LoginRow, request: GrantRequest): Promise<never> {
    const reason = 'an earlier refresh token of this login was presented: the login was ended';
    await end(login, 'refresh_token.reused', reason, request);
    throw new ProofRejected({ reason: 'refresh token reused' });
  }

  /** Of another client, of another API or too old. @throws ProofRejected, RefreshTokenTooOld */
  function requireOwn(login: LoginRow, { client: { application }, through }: GrantRequest): void {
    if (login.application !== application.id) {
      throw new ProofRejected({ reason: 'refresh token of another application' });
    }
    // A client that proves nothing may go on with nothing but what it started itself.
    if (login.clientId !== application.clientId && !usesSecret(application.authMethod)) {
      throw new ProofRejected({ reason: 'refresh token of a client that authenticates' });
    }
    if (login.face !== through?.face) throw new ProofRejected({ reason: 'refresh token of another API' });
    const { refreshAge } = through?.token ?? {};
    const since = login.rotatedAt ?? login.createdAt;
    if (refreshAge !== undefined && now() >= since + refreshAge * 1000) {
      throw new RefreshTokenTooOld({ reason: 'refresh token too old' });
    }
  }

  async function requireUser(login: LoginRow, { client }: GrantRequest): Promise<User | undefined> {
    const user = parseUserSubject(login.subject) ? await users.findBySubject(login.subject) : undefined;
    if (login.user !== undefined && (!user || user.realm !== client.application.realm)) {
      throw new ProofRejected({ reason: 'the user is gone or disabled' });
    }
    return user;
  }

  /** What the row of a person in a user table says. @throws ProofRejected, Unavailable */
  async function readAgain(
    login: LoginRow,
    before: AccountFacts,
    request: GrantRequest,
  ): Promise<DatabaseAccount> {
    const { realm } = request.client.application;
    const account = await databaseLogins.check(login.subject, before, realm, request.view);
    if (account) return account;
    const reason = 'the row of the person is gone, not active, or has another password';
    await end(login, 'login.ended', `${reason}: the login was ended`, request);
    throw new ProofRejected({ reason });
  }

  /** A used token also ends a login that does not hold until the clock has caught up. */
  async function endReusedAhead(id: string, token: string, request: GrantRequest): Promise<void> {
    const login = await logins.find(id, now());
    if (login && registry.isAhead(login.asOf) && !login.current.equals(refreshTokens.hash(token))) {
      await endReused(login, request);
    }
  }

  /** Those of rights that were read before this request; what it makes is not older than that. */
  async function endEarlier({ id, organization, resource }: LoginRow, { asOf }: GrantRequest): Promise<void> {
    const end = asOf - 1;
    const scope = defined({ organization, resource });
    await registry.markAboveShortLived(earlierTokensNode(id), { revokedAt: end, restoredAt: end }, scope);
  }

  /**
   * Moves the login from `token` to its successor, or recognises a retry.
   * @param changed what the row of the person says, if the login has something else
   */
  async function rotate(
    login: LoginRow,
    token: string,
    presented: Buffer,
    changed: AccountFacts | undefined,
    request: GrantRequest,
  ): Promise<string> {
    const successor = refreshTokens.successor(token);
    if (
      login.current.equals(presented) &&
      (await logins.rotate(login.id, presented, refreshTokens.hash(successor), now(), changed))
    ) {
      if (request.through?.token?.endsEarlier) await endEarlier(login, request);
      return successor;
    }
    const latest = await logins.find(login.id, now());
    const isPrevious = latest?.previous?.equals(presented) === true;
    const isSoon = latest?.rotatedAt !== undefined && Math.abs(now() - latest.rotatedAt) <= GRACE_MS;
    const isRetry = isPrevious && (isSoon || (await lostAnswers.has(nameOf(presented))));
    return isRetry ? successor : endReused(login, request);
  }

  /** Good until the login ends: the clients of some older APIs know no other. */
  async function keep(login: LoginRow, presented: Buffer): Promise<undefined> {
    if (!login.current.equals(presented)) throw new ProofRejected({ reason: 'refresh token not current' });
  }

  return {
    type: 'refresh_token',
    name: 'refresh_token',
    goesOn: true,
    parameters: ['refresh_token'],
    async prove(request) {
      const { through } = request;
      const presented = await parts.presentedTokens.identify(
        requireText(request.parameters, 'refresh_token'),
      );
      if (presented.kind !== 'refresh token') throw new ProofRejected({ reason: 'not a refresh token' });
      const { token } = presented;
      const found = await registry.findStandingLogin(presented.login);
      if (!found) {
        await endReusedAhead(presented.login, token, request);
        throw new ProofRejected({ reason: 'ended or expired refresh token' });
      }
      requireOwn(found.login, request);
      const user = await requireUser(found.login, request);
      const account = found.login.account && (await readAgain(found.login, found.login.account, request));
      const changed = isDeepStrictEqual(account?.facts, found.login.account) ? undefined : account?.facts;
      const read = { ...found.login, ...defined({ account: changed }) };
      const login = changed || found.isNarrowed ? await registry.withCurrentRights(read) : read;
      if (!login) throw new ProofRejected({ reason: 'nothing is left of the rights of the login' });
      const handle = refreshTokens.hash(token);
      return defined({
        subject: login.subject,
        user,
        account,
        authenticatedAt: login.authenticatedAt,
        openid: login.openid && withoutNonce(login.openid),
        ancestors: [...login.ancestors, login.id],
        login: login.id,
        parentId: login.id,
        sender: login.sender,
        parent: {
          resource: login.resource,
          scope: login.scope,
          permissions: fromStored(login.permissions),
          expiresAt: login.expiresAt,
          ...defined({
            asScopes: login.asScopes,
            devices: login.devices && fromStoredAccess(login.devices),
          }),
        },
        chain: defined({ bounds: login.bounds, depth: login.depth, act: login.act }),
        spend: () =>
          through?.token?.keepsRefreshToken
            ? keep(login, handle)
            : rotate(login, token, handle, changed, request),
        // An earlier token that was stolen must not become good by coming while the store is away.
        onAnswerLost: login.current.equals(handle) ? () => lostAnswers.remember(nameOf(handle)) : undefined,
      });
    },
  };
}

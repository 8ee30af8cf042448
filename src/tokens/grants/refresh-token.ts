/**
 * RFC 6749 section 6, rotating (RFC 9700 section 4.14.2). One compare-and-set moves a login from its current refresh
 * token to the successor, which is derived from it: a client that presents the same token again within the grace gets
 * the same successor, so a client whose connection broke can retry. Later reuse ends the login.
 */
import { requireText } from '../../clients/form.ts';
import { parseUserSubject } from '../../directory/subjects.ts';
import { ProofRejected, RefreshTokenTooOld } from '../../errors/domain.ts';
import { usesSecret } from '../../nouns/index.ts';
import { fromStoredAccess } from '../../permissions/device-access.ts';
import { fromStored } from '../../permissions/stored.ts';
import { earlierTokensNode } from '../../registry/nodes.ts';
import type { LoginRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { Grant, GrantRequest } from '../grant.ts';
import type { GrantParts } from './parts.ts';

/** A retry this soon after the rotation is honest. */
const GRACE_MS = 5_000;

const nameOf = (presented: Buffer): string => `refresh ${presented.toString('base64url').slice(0, 22)}`;

export function createRefreshTokenGrant(parts: GrantParts): Grant {
  const { registry, logins, refreshTokens, users, databaseLogins, lostAnswers, audit, now } = parts;

  /** The token is neither current nor within the grace: another party has it too. */
  async function endReused(login: LoginRow, { address, requestId }: GrantRequest): Promise<never> {
    await registry.endLogin(login);
    await audit.append(
      defined({
        at: now(),
        event: 'refresh_token.reused',
        outcome: 'denied',
        reason: 'an earlier refresh token of this login was presented: the login was ended',
        subject: login.subject,
        client: login.clientId,
        organization: login.organization,
        address,
        requestId,
      }),
    );
    throw new ProofRejected({ reason: 'refresh token reused' });
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
    await registry.markBriefly(earlierTokensNode(id), { revokedAt: end, restoredAt: end }, scope);
  }

  /** Moves the login from `token` to its successor, or recognises a retry. */
  async function rotate(
    login: LoginRow,
    token: string,
    presented: Buffer,
    request: GrantRequest,
  ): Promise<string> {
    const successor = refreshTokens.successor(token);
    if (
      login.current.equals(presented) &&
      (await logins.rotate(login.id, presented, refreshTokens.hash(successor), now()))
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
      const login = await registry.findLogin(presented.login);
      if (!login) {
        await endReusedAhead(presented.login, token, request);
        throw new ProofRejected({ reason: 'ended or expired refresh token' });
      }
      if (login.application !== request.client.application.id) {
        throw new ProofRejected({ reason: 'refresh token of another application' });
      }
      // A client that proves nothing may go on with nothing but what it started itself.
      const { application } = request.client;
      if (login.clientId !== application.clientId && !usesSecret(application.authMethod)) {
        throw new ProofRejected({ reason: 'refresh token of a client that authenticates' });
      }
      if (login.face !== through?.face) throw new ProofRejected({ reason: 'refresh token of another API' });
      const { refreshAge } = through?.token ?? {};
      const since = login.rotatedAt ?? login.createdAt;
      if (refreshAge !== undefined && now() >= since + refreshAge * 1000) {
        throw new RefreshTokenTooOld({ reason: 'refresh token too old' });
      }
      const user = parseUserSubject(login.subject) ? await users.findBySubject(login.subject) : undefined;
      if (login.user !== undefined && (!user || user.realm !== request.client.application.realm)) {
        throw new ProofRejected({ reason: 'the user is gone or disabled' });
      }
      const account =
        login.account &&
        (await databaseLogins.check(
          login.subject,
          login.account,
          request.client.application.realm,
          request.view,
        ));
      if (login.account && !account) {
        throw new ProofRejected({ reason: 'the row is gone, not active, or its password was changed' });
      }
      const handle = refreshTokens.hash(token);
      return defined({
        subject: login.subject,
        user,
        account,
        authenticatedAt: login.authenticatedAt,
        openid: login.openid,
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
        startsLogin: false,
        spend: () =>
          through?.token?.keepsRefreshToken ? keep(login, handle) : rotate(login, token, handle, request),
        // An earlier token that was stolen must not become good by coming while the store is away.
        onAnswerLost: login.current.equals(handle) ? () => lostAnswers.remember(nameOf(handle)) : undefined,
      });
    },
  };
}

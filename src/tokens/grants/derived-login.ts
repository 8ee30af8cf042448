/**
 * A login that hangs below another: the holder of an access token gets a pair with at most the same rights, for
 * themselves or, if they may do everything with devices, for another user. It hangs below the login of that access
 * token and not below the token, which is short-lived; so it ends with the login. Only faces ask for this (RFC 8693
 * gives no refresh tokens).
 */
import { findText } from '../../clients/form.ts';
import { parseUserSubject } from '../../directory/subjects.ts';
import { PermissionsNotAllowed, ProofRejected } from '../../errors/domain.ts';
import type { User } from '../../nouns/index.ts';
import { NOTHING } from '../../permissions/permissions.ts';
import { defined } from '../../storage/defined.ts';
import type { Grant, GrantRequest } from '../grant.ts';
import { chainOf, MAX_DEPTH } from './chain.ts';
import type { GrantParts } from './parts.ts';
import { actFor } from './requested-subject.ts';
import { type SubjectToken, toSubjectToken } from './subject-token.ts';

export const DERIVED_LOGIN = 'urn:grantable:grant-type:derived-login';

/** An access token, with the expiry of its login instead of its own. */
type Parent = SubjectToken & Required<Pick<SubjectToken, 'devices' | 'expiresAt'>>;

/** Id of the user who logged in: tokens made for others, or in another login, do not give that user more turns. */
function originOf({ bounds, subject }: SubjectToken): string {
  const first = bounds[0]?.subject ?? subject;
  return parseUserSubject(first)?.id ?? first;
}

export function createDerivedLoginGrant({ users, registry, exchangeLimit }: GrantParts): Grant {
  async function requireParent(request: GrantRequest): Promise<Parent> {
    const { subject, client, through } = request;
    const token = subject && toSubjectToken(subject);
    if (!token?.devices || token.face !== through?.face || token.application !== client.application.id) {
      throw new ProofRejected({ reason: 'no living access token of this API and application' });
    }
    const login = token.login === undefined ? undefined : await registry.findLogin(token.login);
    if (!login) throw new ProofRejected({ reason: 'the login of the access token has ended' });
    if (token.depth >= MAX_DEPTH) {
      throw new PermissionsNotAllowed({ description: `The token was derived ${MAX_DEPTH} times already.` });
    }
    return { ...token, devices: token.devices, expiresAt: login.expiresAt };
  }

  async function requireUser(token: Parent, { parameters, client }: GrantRequest): Promise<User> {
    const wanted = findText(parameters, 'requested_subject') ?? token.subject;
    const user = await users.findBySubject(wanted);
    if (!user) throw new ProofRejected({ reason: 'the user is gone or disabled' });
    if (wanted === token.subject) return user;
    if (token.devices.actions !== '*') {
      throw new PermissionsNotAllowed({
        description: 'Only a user who may do everything with devices may name another user.',
      });
    }
    if (user.organization !== client.organization.id) {
      throw new PermissionsNotAllowed({ description: 'The user does not belong to this organization.' });
    }
    return user;
  }

  return {
    type: DERIVED_LOGIN,
    name: 'derived_login',
    goesOn: true,
    parameters: ['requested_subject'],
    async prove(request) {
      const token = await requireParent(request);
      const { resource, scope, permissions, devices, expiresAt } = token;
      const origin = originOf(token);
      await exchangeLimit(origin, 'user');
      const user = await requireUser(token, request);
      const subject = findText(request.parameters, 'requested_subject') ?? token.subject;
      const isAnother = subject !== token.subject;
      const own = { application: request.client.application.id, subject };
      return defined({
        subject,
        sender: token.sender,
        user,
        // A request for devices passes nothing else on.
        asked: { scopes: [], permissions: NOTHING },
        authenticatedAt: isAnother ? undefined : token.authenticatedAt,
        // Itself is the last of its nodes.
        ancestors: token.nodes.slice(0, -1),
        parentId: token.parentId,
        parent: { resource, scope, permissions, devices, expiresAt },
        chain: chainOf(token, own, isAnother ? actFor(token) : token.act),
        origin,
        startsLogin: true,
      });
    },
  };
}

/**
 * A token for a user of an application, asked for by a party that the user's rights come from: the application itself,
 * its organization, or an administrator of that. It is limited to the rights of both, ends when either ends, and names
 * in `act` the party that asked. Only faces ask for this; natively it takes the scope `users:impersonate` (`requested-subject.ts`).
 */
import { requireText } from '../../clients/form.ts';
import type { DirectoryView } from '../../directory/directory.ts';
import { PermissionsNotAllowed, ProofRejected, UnknownResource } from '../../errors/domain.ts';
import type { Resource, User } from '../../nouns/index.ts';
import { intersect } from '../../permissions/permissions.ts';
import { hasPowerOverUsers } from '../../rights/power.ts';
import { findRights, type ResourceRights } from '../../rights/rights.ts';
import { defined } from '../../storage/defined.ts';
import type { Grant, GrantRequest } from '../grant.ts';
import { chainOf, MAX_DEPTH } from './chain.ts';
import type { GrantParts } from './parts.ts';
import { actFor, isAdministrator } from './requested-subject.ts';
import { type SubjectToken, toSubjectToken } from './subject-token.ts';

export const ACT_FOR_USER = 'urn:grantable:grant-type:act-for-user';

export function createActForUserGrant({ users }: GrantParts): Grant {
  function requireToken({ client, through, subject }: GrantRequest): SubjectToken {
    const token = subject && toSubjectToken(subject);
    if (!token || token.face !== through?.face || token.organization !== client.organization.id) {
      throw new ProofRejected({ reason: 'no living access token of this API and organization' });
    }
    if (token.depth >= MAX_DEPTH) throw new ProofRejected({ reason: `derived ${MAX_DEPTH} times already` });
    return token;
  }

  /** A party without power over the application's users must not get it by asking. */
  async function requirePower(
    token: SubjectToken,
    { client, view }: GrantRequest,
  ): Promise<User | undefined> {
    const user = token.isUser ? await users.findBySubject(token.subject) : undefined;
    const isItself = !token.isUser && !token.account;
    const active = isItself ? await view.findApplicationById(token.application) : undefined;
    if (hasPowerOverUsers({ user, application: active?.application }, client.application)) return user;
    throw new PermissionsNotAllowed({ description: 'The token may not act for users of the application.' });
  }

  /** What the asker may do there: what the token says, where it speaks of that resource. */
  async function requireRights(
    token: SubjectToken,
    asker: User | undefined,
    resource: Resource,
    view: DirectoryView,
  ): Promise<ResourceRights> {
    const active = await view.findApplicationById(token.application);
    const rights = active && (await findRights(view, active.application, resource, asker));
    if (!rights)
      throw new UnknownResource({
        description: 'The token that asks may not have tokens for this resource.',
      });
    if (token.resource !== resource.identifier) return rights;
    return { ...rights, permissions: intersect(rights.permissions, token.permissions) };
  }

  return {
    type: ACT_FOR_USER,
    name: 'act_for_user',
    parameters: ['requested_subject'],
    async prove(request) {
      const { client, parameters, view } = request;
      const { application } = client;
      const subject = requireText(parameters, 'requested_subject');
      const token = requireToken(request);
      const asker = await requirePower(token, request);
      const user = await users.findBySubject(subject);
      if (user?.realm !== application.realm) throw new ProofRejected({ reason: 'no such user here' });
      const resource =
        application.resource === undefined ? undefined : await view.findResource(application.resource);
      if (!resource) throw new UnknownResource({ description: 'The application has no resource.' });
      if (await isAdministrator(view, user, resource)) {
        throw new PermissionsNotAllowed({
          description: 'The user is an administrator: a token for them cannot be asked for.',
        });
      }
      const rights = await requireRights(token, asker, resource, view);
      return defined({
        subject,
        sender: token.sender,
        user,
        // Itself is the last of its nodes; what hangs below the asker outlives a short token of theirs.
        ancestors: token.nodes.slice(0, -1),
        parentId: token.parentId,
        parent: {
          resource: resource.identifier,
          scope: [...rights.scopes].join(' '),
          permissions: rights.permissions,
        },
        chain: chainOf(token, { application: application.id, subject }, actFor(token), true),
      });
    },
  };
}

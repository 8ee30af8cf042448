/**
 * Minting for another: an administrator whose token has the scope `users:impersonate` names a user of the organization
 * (`requested_subject`). The token is bounded by the rights of both, dead with either, and says in `act` who asked
 * for it. Everybody else may name only the subject that he is.
 */
import type { DirectoryView } from '../../directory/directory.ts';
import type { Users } from '../../directory/users.ts';
import { MalformedRequest } from '../../errors/domain.ts';
import { isBuiltIn } from '../../nouns/built-in.ts';
import type { Resource, User } from '../../nouns/index.ts';
import { findHeld } from '../../rights/rights.ts';
import type { TokenRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { GrantRequest } from '../grant.ts';
import type { SubjectToken } from './subject-token.ts';

const IMPERSONATE_SCOPE = 'users:impersonate';

/** One text for all, so that a client does not learn which users there are. */
class RequestedSubjectRefused extends MalformedRequest {
  constructor(reason: string) {
    super({ description: 'The token may not ask for this requested_subject.', reason });
  }
}

const hasScope = (scope: string, name: string): boolean => scope.split(' ').includes(name);

/** RFC 8693 section 4.1: the current actor is outermost, earlier ones are inside. */
export function actFor({ subject, act }: SubjectToken): NonNullable<TokenRow['act']> {
  return defined({ sub: subject, act });
}

async function isAdminRole(view: DirectoryView, id: string): Promise<boolean> {
  const role = await view.findRole(id);
  if (!role) return false;
  if (role.permissions.isAdmin || role.scopes.includes(IMPERSONATE_SCOPE)) return true;
  const resource = await view.findResource(role.resource);
  return resource !== undefined && isBuiltIn(resource);
}

async function hasAdminRole(view: DirectoryView, { roles }: User): Promise<boolean> {
  return (await Promise.all(roles.map((id) => isAdminRole(view, id)))).includes(true);
}

/** Whatever is left of it below an application's ceiling, and whichever resource it is of. */
export async function isAdministrator(view: DirectoryView, user: User, resource: Resource): Promise<boolean> {
  const { permissions, scopes } = await findHeld(view, user, resource);
  return permissions.isAdmin || scopes.has(IMPERSONATE_SCOPE) || hasAdminRole(view, user);
}

/**
 * @param requested `requested_subject`, another one than the token's
 * @returns the user to mint for
 * @throws RequestedSubjectRefused
 */
export async function findRequestedUser(
  requested: string,
  token: SubjectToken,
  resource: Resource,
  { view, client }: GrantRequest,
  users: Pick<Users, 'findBySubject'>,
): Promise<User> {
  if (!token.isUser || !hasScope(token.scope, IMPERSONATE_SCOPE)) {
    throw new RequestedSubjectRefused(`needs a user's token with the scope ${IMPERSONATE_SCOPE}`);
  }
  // Being let to trade an administrator's token is not being let to act for everybody.
  if (!client.application.scopes.includes(IMPERSONATE_SCOPE)) {
    throw new RequestedSubjectRefused(`the application may not have the scope ${IMPERSONATE_SCOPE}`);
  }
  if (!token.permissions.isAdmin)
    throw new RequestedSubjectRefused('the token does not belong to an administrator');
  const user = await users.findBySubject(requested);
  if (user?.organization !== token.organization) {
    throw new RequestedSubjectRefused('no such user in the organization');
  }
  if (await isAdministrator(view, user, resource)) {
    throw new RequestedSubjectRefused('the user is an administrator');
  }
  return user;
}

/** What a token for the administration takes beside rights: it is asked for by name, and begins with the application itself. */
import { PermissionsNotAllowed, UnknownResource } from '../errors/domain.ts';
import type { Asked } from './asked.ts';
import type { Grant, GrantRequest, Proof } from './grant.ts';

/** Grants that go on with what was asked for when the login began. */
const WITH_WHAT_WAS_ASKED: ReadonlySet<string> = new Set(['refresh_token', 'authorization_code']);

/** "Nothing asked" would be all that there is. @throws PermissionsNotAllowed */
export function requireAskedByName({ permissions }: { readonly permissions?: unknown }): void {
  if (permissions !== undefined) return;
  throw new PermissionsNotAllowed({
    description:
      'Name the rights that the token for the administration needs, such as scope=users:read. None were named.',
  });
}

/**
 * Not through an older API, not by the word of another server, not for a person in a database of an operator, not for another
 * person than the one who logged in, and not from a token or connection of another application.
 * @throws UnknownResource, PermissionsNotAllowed
 */
export function requireAdministrable(
  grant: Grant,
  { client, through }: GrantRequest,
  { account, chain }: Proof,
  asked: Pick<Asked, 'permissions'>,
): void {
  const isOwn = chain?.bounds?.every(({ application }) => application === client.application.id) ?? true;
  if (through || grant.isForeign || account || chain?.act || !isOwn) {
    throw new UnknownResource({
      description: 'The application may not have tokens for this resource.',
      reason:
        'the administration is not for faces, assertions of other servers, database accounts, other people and chains that begin elsewhere',
    });
  }
  if (!WITH_WHAT_WAS_ASKED.has(grant.name)) requireAskedByName(asked);
}

/** What an access token allows at this moment, for a client that serves its resource. Asked of the store each time. */
import type { Resource } from '../nouns/index.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import { fromStored } from '../permissions/stored.ts';
import { findParties, type IntrospectionCaller, remarkCut, servesResourceOf } from './introspection.ts';
import type { PresentedTokens } from './presented-tokens.ts';

export interface TokenRights {
  readonly resource: Resource;
  readonly permissions: Permissions;
}

export type FindTokenRights = ReturnType<typeof createFindTokenRights>;

export function createFindTokenRights(presentedTokens: Pick<PresentedTokens, 'findLiving'>) {
  /**
   * @param asked identifier of the only resource that the token may be for; undefined: any that the client serves
   * @returns undefined for all that is not such a token: unknown, ended, of another kind, for another resource
   */
  return async (
    presented: string,
    asked: string | undefined,
    caller: Omit<IntrospectionCaller, 'turn'>,
  ): Promise<TokenRights | undefined> => {
    const { client, view } = caller;
    const living = await presentedTokens.findLiving(presented);
    if (living?.kind !== 'access token' || !servesResourceOf(living.row, client)) return undefined;
    const { row } = living;
    if (asked !== undefined && !isSameResource(row.resource, asked)) return undefined;
    // Who asks sends no proof of a key (RFC 7800), so a token that is bound to one would be good without it.
    if (row.sender) return undefined;
    const [parties, resource] = await Promise.all([
      findParties(row, view),
      view.findResource(row.resource as string),
    ]);
    if (!parties || resource?.organization !== row.organization) return undefined;
    remarkCut(row, caller);
    return { resource, permissions: fromStored(row.permissions) };
  };
}

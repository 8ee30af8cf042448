/** Stand-in until the built-in resources are there. */
import type { DefaultState } from 'koa';
import { TokenRejected } from '../../errors/domain.ts';
import { fromStored } from '../../permissions/stored.ts';
import { WHOLE_SERVER, wholeOrganization } from '../../rights/reach.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { PresentedTokens } from '../../tokens/identify.ts';
import type { Actor } from './actor.ts';

export function createFindActor({
  issuer,
  presentedTokens,
  store,
}: {
  readonly issuer: string;
  readonly presentedTokens: Pick<PresentedTokens, 'findLiving'>;
  readonly store: Pick<DirectoryStore, 'organizations'>;
}) {
  return async (authorization: string, state: DefaultState): Promise<Actor> => {
    const living = await presentedTokens.findLiving(authorization.slice('Bearer '.length).trim());
    if (living?.kind !== 'access token') throw new TokenRejected();
    const { row } = living;
    const base = `${issuer}/admin`;
    if (row.resource !== base && !row.resource?.startsWith(`${base}/`)) throw new TokenRejected();
    const name = row.resource.slice(base.length + 1);
    const organization = name === '' ? undefined : await store.organizations.findBy('name', name);
    if (name !== '' && organization?.id !== row.organization) throw new TokenRejected();
    state.clientId = row.clientId;
    const { address, requestId } = state;
    const who = row.user === undefined ? `client:${row.clientId}` : `user:${row.user}`;
    return defined({
      author: { actor: who, address, requestId },
      key: `${who} ${row.clientId}`,
      permissions: fromStored(row.permissions),
      reach: organization ? wholeOrganization(organization.id) : WHOLE_SERVER,
      organization,
      authenticatedAt: row.authenticatedAt,
      isDangerous: false,
    }) as Actor;
  };
}

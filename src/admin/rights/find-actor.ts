/**
 * The bearer of an access token for the administration. Each request looks the token up, with its rights as they are at
 * this moment: what a role, a ceiling or an end of the token changed holds at once.
 */
import type { DefaultState } from 'koa';
import { TokenRejected } from '../../errors/domain.ts';
import { isBuiltIn } from '../../nouns/built-in.ts';
import type { Application, Resource, User } from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import type { Permissions } from '../../permissions/permissions.ts';
import { fromStored } from '../../permissions/stored.ts';
import { type Reach, reachOfRights, uniteReach, wholeOrganization } from '../../rights/reach.ts';
import { grantedBy, type World } from '../../rights/reach-of.ts';
import type { TokenRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { PresentedTokens } from '../../tokens/presented-tokens.ts';
import type { Actor } from './actor.ts';

export interface FindActorDeps {
  readonly presentedTokens: Pick<PresentedTokens, 'findLiving'>;
  readonly world: World;
}

/**
 * What the bearer may hand out: over the administration what the token allows, over data what the roles of the person say.
 * A machine has no roles, and hands out no data.
 */
export async function findReach(
  permissions: Permissions,
  resource: Resource,
  user: User | undefined,
  world: World,
): Promise<Reach> {
  const own = reachOfRights(resource, { permissions, scopes: new Set() });
  if (!user) return own;
  const roles = await Promise.all(user.roles.map((id) => world.roles.get(id)));
  const granted = roles.flatMap((role) =>
    role?.enabled && role.organization === resource.organization && role.resource === resource.identifier
      ? [grantedBy(role, world)]
      : [],
  );
  const administered = resource.organization === MANAGEMENT_ID ? user.administers : [];
  return uniteReach([own, ...(await Promise.all(granted)), ...administered.map(wholeOrganization)]);
}

/** @returns takes an access token @throws TokenRejected */
export function createFindActor({ presentedTokens, world }: FindActorDeps) {
  /** The API sees no proof of a key (RFC 7800), so a token that is bound to one would be good without it. */
  async function findRow(token: string): Promise<TokenRow> {
    const living = await presentedTokens.findLiving(token);
    if (living?.kind !== 'access token') throw new TokenRejected();
    if (living.row.sender) {
      throw new TokenRejected({ description: 'The access token is bound to a key. Send a bearer token.' });
    }
    return living.row;
  }

  /** The organization is known by its id: one made anew with the same name is another one. */
  async function findResource({ resource: identifier = '', organization }: TokenRow): Promise<Resource> {
    const resource = await world.resources.findBy('identifier', identifier);
    if (resource && isBuiltIn(resource) && resource.organization === organization) return resource;
    throw new TokenRejected({ description: 'The access token is not for the administration.' });
  }

  async function findBearer(row: TokenRow): Promise<{ application: Application; user: User | undefined }> {
    const application = await world.applications.get(row.application);
    const user = row.user === undefined ? undefined : await world.users.get(row.user);
    if (!application || (row.user !== undefined && !user)) throw new TokenRejected();
    return { application, user };
  }

  return async (token: string, state: DefaultState): Promise<Actor> => {
    const row = await findRow(token);
    const resource = await findResource(row);
    const { application, user } = await findBearer(row);
    const organization =
      resource.organization === MANAGEMENT_ID
        ? undefined
        : await world.organizations.get(resource.organization);
    state.clientId = row.clientId;
    const { address, requestId } = state;
    const permissions = fromStored(row.permissions);
    return {
      author: {
        actor: user ? `user:${user.id}` : `client:${application.clientId}`,
        managedBy: 'api',
        ...defined({ address, requestId }),
      },
      key: `${row.subject} ${application.id}`,
      permissions,
      reach: await findReach(permissions, resource, user, world),
      organization,
      // A login whose time is not known counts as an old one.
      ...(user && { authenticatedAt: row.authenticatedAt ?? 0 }),
      isDangerous: !user && application.dangerous === true,
    };
  };
}

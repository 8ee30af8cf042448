/**
 * The Grant for an authorization request that needs no consent page: what the person agreed to before, in any browser,
 * or everything asked for if the operator marked the application as their own.
 */
import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { userSubject } from '../directory/subjects.ts';
import { DomainError } from '../errors/domain.ts';
import { isOnDevice } from '../nouns/redirect-uris.ts';
import { type Agreed, agreeToAll, clear, isOlder } from '../tokens/consent.ts';
import type { ConsentParties } from '../tokens/remembered-consents.ts';
import type { FindRemaining } from './authorization-request.ts';
import type { ProviderDeps } from './deps.ts';
import { type FindAskedTables, toAgreement } from './table-consent.ts';

type EngineGrant = InstanceType<KoaContextWithOIDC['oidc']['provider']['Grant']>;

/** A request that gets nothing is refused later, when it is known that this person does not have to log in again. */
function noneOfRefused(error: unknown): undefined {
  if (!(error instanceof DomainError)) throw error;
}

const contentsOf = ({ openid, resources, rar }: EngineGrant): string =>
  JSON.stringify([openid, resources, rar]);

/** The Grant of a browser session, if it is of this person and application. */
export async function findGrantOfSession(
  { Grant }: Provider,
  session: { grantIdFor(clientId: string): string | undefined } | undefined,
  { user, client: { application } }: ConsentParties,
): Promise<EngineGrant | undefined> {
  const id = session?.grantIdFor(application.clientId);
  const grant = id === undefined ? undefined : await Grant.find(id);
  const isTheirs = grant?.accountId === userSubject(user) && grant.clientId === application.clientId;
  return isTheirs && !isOlder(grant, application) ? grant : undefined;
}

export function createLoadExistingGrant({
  directory,
  agents,
  users,
  consents,
  findAskedTables,
  findRemaining,
}: Pick<ProviderDeps, 'directory' | 'agents' | 'users' | 'consents'> & {
  findAskedTables: FindAskedTables;
  findRemaining: FindRemaining;
}): NonNullable<Configuration['loadExistingGrant']> {
  async function findParties({ state, oidc }: KoaContextWithOIDC): Promise<ConsentParties | undefined> {
    const { view } = await directory.viewFor(state);
    const [user, client] = await Promise.all([
      users.findBySubject(oidc.account?.accountId ?? ''),
      agents.find(view, { clientId: oidc.client?.clientId ?? '', resource: oidc.params?.resource }),
    ]);
    return user && client && { user, client };
  }

  async function agreedWithoutAsking(
    ctx: KoaContextWithOIDC,
    { client: { application } }: ConsentParties,
  ): Promise<Agreed | undefined> {
    const { params: asked = {}, account } = ctx.oidc;
    if (!application.firstParty || isOnDevice(String(asked.redirect_uri))) return undefined;
    const { clientId } = application;
    const params = { ...asked, ...(await findRemaining(ctx)) };
    const tables = await findAskedTables({ params, clientId, accountId: account?.accountId ?? '' });
    const { openid, resource } = toAgreement(params, tables);
    return { openid, resources: new Map(resource ? [[resource.of.identifier, resource]] : []) };
  }

  return async (ctx) => {
    const { Grant } = ctx.oidc.provider;
    const { grantId } = ctx.oidc.result?.consent ?? {};
    if (grantId !== undefined) return Grant.find(grantId);
    const parties = await findParties(ctx);
    if (!parties) return undefined;
    const [unasked, remembered, ofSession] = await Promise.all([
      agreedWithoutAsking(ctx, parties).catch(noneOfRefused),
      consents.find(parties),
      findGrantOfSession(ctx.oidc.provider, ctx.oidc.session, parties),
    ]);
    if (!unasked && !remembered) return undefined;
    const { clientId } = parties.client.application;
    const grant = ofSession ?? new Grant({ accountId: ctx.oidc.account?.accountId ?? '', clientId });
    const before = contentsOf(grant);
    // Removes what was revoked; what the operator gives the application stays.
    if (!unasked) clear(grant);
    if (remembered) agreeToAll(grant, remembered);
    if (unasked) agreeToAll(grant, unasked);
    if (!ofSession || contentsOf(grant) !== before) await grant.save();
    return grant;
  };
}

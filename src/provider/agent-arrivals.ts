/** Agents at the authorization endpoint, the one place where their documents are fetched. */
import type { Middleware } from 'koa';
import { isClientIdUrl } from '../agents/client-id.ts';
import { UnknownResource } from '../errors/domain.ts';
import type { ProviderDeps } from './deps.ts';

export function createAgentArrivals({
  directory,
  agents,
}: Pick<ProviderDeps, 'directory' | 'agents'>): Middleware {
  return async function agentArrivals(ctx, next) {
    const { client_id: clientId, resource } = ctx.query;
    if (typeof clientId !== 'string' || !isClientIdUrl(clientId)) return next();
    const { view } = await directory.viewFor(ctx.state);
    const { address } = ctx.state;
    await agents.arrive(view, { clientId, resource, address });
    const known = typeof resource === 'string' ? undefined : await view.findApplication(clientId);
    // Without the resource its document would not be looked at again.
    if (typeof resource !== 'string' && (!known || known.application.agent)) {
      throw new UnknownResource({
        description: 'A client with a URL as its client_id must name the resource that it asks for.',
      });
    }
    return next();
  };
}

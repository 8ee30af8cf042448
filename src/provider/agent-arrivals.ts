/** Agents at the authorization endpoint, the one place where their documents are fetched. */
import type { Middleware } from 'koa';
import { UnknownResource } from '../errors/domain.ts';
import { isUrl } from '../nouns/index.ts';
import type { ProviderDeps } from './deps.ts';

export function createAgentArrivals({
  directory,
  agents,
}: Pick<ProviderDeps, 'directory' | 'agents'>): Middleware {
  return async function agentArrivals(ctx, next) {
    const { client_id: clientId, resource } = ctx.query;
    if (typeof clientId !== 'string' || !isUrl(clientId)) return next();
    const { view } = await directory.viewFor(ctx.state);
    if (typeof resource === 'string') {
      await agents.arrive(view, { clientId, resource, address: ctx.state.address });
      return next();
    }
    const known = await view.findApplication(clientId);
    // Without the resource its document would not be looked at again.
    if (!known || known.application.agent) {
      throw new UnknownResource({
        description: 'A client with a URL as its client_id must name the resource that it asks for.',
      });
    }
    return next();
  };
}

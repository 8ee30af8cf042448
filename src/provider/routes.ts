/** The provider's middleware in the order in which a request meets it. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { spelledAsStored } from '../directory/resource-spelling.ts';
import { UnknownResource } from '../errors/domain.ts';
import { isUrl } from '../nouns/index.ts';
import type { ProviderDeps } from './deps.ts';
import type { Engine } from './engine.ts';
import { createFailures } from './failures.ts';
import { createAuthzenMetadata, createMetadata } from './metadata.ts';
import { METADATA_PATHS, PATHS } from './paths.ts';
import { replaceQuery } from './query.ts';
import { parametersWithoutOpenid } from './without-openid.ts';

/** As they are registered: the engine's router would take other cases and a slash at the end for the same. */
const OURS = /^\/(?:oauth|\.well-known)(?:\/|$)/i;
const AS_REGISTERED = /^\/(?:oauth|\.well-known)\/[a-z-]+(?:\/[^/]+)?$/;

/** Everybody after this compares paths exactly. */
const exactPaths: Middleware = (ctx, next) =>
  OURS.test(ctx.path) && !AS_REGISTERED.test(ctx.path) ? Promise.resolve() : next();

function onPaths(paths: readonly string[], middleware: Middleware): Middleware {
  return (ctx, next) => (paths.includes(ctx.path) ? middleware(ctx, next) : next());
}

/** The `resource` (RFC 8707) of an authorization request as a single value in the spelling of the directory. */
function createResourceParameter({ directory }: Pick<ProviderDeps, 'directory'>): Middleware {
  return async function resourceParameter(ctx, next) {
    const given = ctx.query.resource;
    if (given === undefined || given === '') return next();
    const { view } = await directory.viewFor(ctx.state);
    const resource = await spelledAsStored(view, given);
    if (resource !== given) ctx.query = { ...ctx.query, resource: resource as string };
    return next();
  };
}

/**
 * A browser session has one account, so choosing another is logging in again: `select_account` reaches the engine, which
 * does not know it, as `login`.
 */
const prompts: Middleware = (ctx, next) => {
  const { query } = ctx;
  if (typeof query.prompt !== 'string' || !query.prompt.includes('select_account')) return next();
  const values = query.prompt.split(' ').map((value) => (value === 'select_account' ? 'login' : value));
  replaceQuery(ctx, { ...query, prompt: [...new Set(values)].join(' ') });
  return next();
};

/** Agents at the authorization endpoint, the one place where their documents are fetched. */
function createAgentArrivals({ directory, agents }: Pick<ProviderDeps, 'directory' | 'agents'>): Middleware {
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

/** The engine comes last and serves every path that is left of `/oauth` and `/.well-known`. */
export function createProviderRoutes(engine: Engine, deps: ProviderDeps): Middleware {
  return compose([
    exactPaths,
    createResourceParameter(deps),
    createFailures(deps.recordRefused),
    onPaths(METADATA_PATHS, createMetadata(deps)),
    onPaths([PATHS.authzen_metadata], createAuthzenMetadata(deps)),
    onPaths([PATHS.authorization], prompts),
    onPaths([PATHS.authorization], parametersWithoutOpenid),
    onPaths([PATHS.authorization], createAgentArrivals(deps)),
    engine.middleware,
  ]);
}

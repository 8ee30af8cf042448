/** The provider's middleware in the order in which a request meets it. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { createAgentArrivals } from './agent-arrivals.ts';
import { createAuthzenMetadata } from './authzen-metadata.ts';
import type { ProviderDeps } from './deps.ts';
import type { Engine } from './engine.ts';
import { createFailures } from './failures.ts';
import { createMetadata } from './metadata.ts';
import { METADATA_PATHS, PATHS } from './paths.ts';
import { createPrompts } from './prompts.ts';
import { createResourceParameter } from './resource-parameter.ts';

/** As they are registered: the engine's router would take other cases and a slash at the end for the same. */
const OURS = /^\/(?:oauth|\.well-known)(?:\/|$)/i;
const AS_REGISTERED = /^\/(?:oauth|\.well-known)\/[a-z-]+(?:\/[^/]+)?$/;

/** Everybody after this compares paths exactly. */
const exactPaths: Middleware = (ctx, next) =>
  OURS.test(ctx.path) && !AS_REGISTERED.test(ctx.path) ? Promise.resolve() : next();

function onPaths(paths: readonly string[], middleware: Middleware): Middleware {
  return (ctx, next) => (paths.includes(ctx.path) ? middleware(ctx, next) : next());
}

/** The engine comes last and serves every path that is left of `/oauth` and `/.well-known`. */
export function createProviderRoutes(engine: Engine, deps: ProviderDeps): Middleware {
  return compose([
    exactPaths,
    createResourceParameter(deps),
    createFailures(deps.recordRefused),
    onPaths(METADATA_PATHS, createMetadata(deps)),
    onPaths([PATHS.authzen_metadata], createAuthzenMetadata(deps)),
    onPaths([PATHS.authorization], createPrompts()),
    onPaths([PATHS.authorization], createAgentArrivals(deps)),
    engine.middleware,
  ]);
}

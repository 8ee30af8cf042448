/** The provider's middleware in the order in which a request meets it. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import type { SigningKeys } from '../keys/signing-keys.ts';
import { createClientCredentials } from './client-credentials.ts';
import { createClientOrigins } from './client-origins.ts';
import { PATHS } from './configuration.ts';
import type { Engine } from './engine.ts';
import { createFailures } from './failures.ts';
import { createIntrospection, createRevocation, type InspectionDeps } from './inspection.ts';
import { createMetadata, METADATA_PATHS } from './metadata.ts';
import { createPrompts } from './prompts.ts';
import { createRequestNotes } from './request-notes.ts';
import { createResourceParameter } from './resource-parameter.ts';
import { REVOCATIONS_PATH } from './revocation-feed.ts';

export interface ProviderRoutesDeps {
  readonly engine: Engine;
  readonly inspection: InspectionDeps;
  readonly revocations: Middleware;
  readonly signingKeys: SigningKeys;
  /** Absent when it is switched off. */
  readonly fastLane?: Middleware;
}

/** As they are registered: the engine's router would take other cases and a slash at the end for the same. */
const OURS = /^\/(?:oauth|\.well-known)(?:\/|$)/i;
const AS_REGISTERED = /^\/(?:oauth|\.well-known)\/[a-z-]+(?:\/[^/]+)?$/;

/** Everybody after this compares paths exactly. */
const exactPaths: Middleware = (ctx, next) =>
  OURS.test(ctx.path) && !AS_REGISTERED.test(ctx.path) ? Promise.resolve() : next();

function onPaths(paths: readonly string[], middleware: Middleware): Middleware {
  return (ctx, next) => (paths.includes(ctx.path) ? middleware(ctx, next) : next());
}

/**
 * Introspection and revocation stand inside the failures: what they throw is answered by the outer error boundary.
 * The engine comes last and serves every path that is left of `/oauth` and `/.well-known`.
 */
export function createProviderRoutes({
  engine,
  inspection,
  revocations,
  signingKeys,
  fastLane,
}: ProviderRoutesDeps): Middleware {
  const { refusals, directory, now } = inspection;
  return compose([
    exactPaths,
    createResourceParameter(inspection),
    ...(fastLane ? [fastLane] : []),
    createRequestNotes(),
    createClientOrigins({ directory }),
    createFailures({ refusals, now }),
    onPaths(METADATA_PATHS, createMetadata({ directory, signingKeys })),
    onPaths([PATHS.introspection], createIntrospection(inspection)),
    onPaths([PATHS.revocation], createRevocation(inspection)),
    onPaths([REVOCATIONS_PATH], revocations),
    onPaths([PATHS.token, PATHS.introspection, PATHS.revocation], createClientCredentials(inspection)),
    onPaths([PATHS.authorization], createPrompts()),
    engine.middleware,
  ]);
}

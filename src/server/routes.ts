/** Everything that answers requests: endpoints by method and path, and the rest in the order in which it is asked. */
import type { Middleware } from 'koa';
import { isApiPath } from '../admin/api/paths.ts';
import { createDescriptionEndpoints } from '../admin/openapi/endpoints.ts';
import type { Operation } from '../admin/operations/operation.ts';
import { createClientOrigins } from '../endpoints/client-origins.ts';
import { createEndpoints, type Handler } from '../endpoints/index.ts';
import type { Requests } from '../endpoints/requests.ts';
import { createFaces } from '../faces/create-faces.ts';
import type { Face } from '../faces/face.ts';
import { readBody } from '../http/body.ts';
import type { Views } from '../http/views.ts';
import { createForms, createInteractionRoutes, createPostedRequests } from '../interaction/index.ts';
import { createOperationDeps } from './operation-deps.ts';
import { packageFolder } from './package-folder.ts';
import type { Services } from './services.ts';

/** Takes the place of the token endpoint, in tests that compare it with the engine's own. */
export type TokenEndpoint = (requests: Requests, engine: Middleware, issuer: string) => Handler;

/** The administration API, loaded when it is first asked: most processes answer no request for it. */
function createApi(services: Services, furtherOperations: readonly Operation[]): Middleware {
  async function load(): Promise<Middleware> {
    const [{ createAdminApi }, { operations }, { createFindActor }] = await Promise.all([
      import('../admin/api/index.ts'),
      import('../admin/operations/index.ts'),
      import('../admin/rights/find-actor.ts'),
    ]);
    const { config, storage } = services;
    const operationDeps = createOperationDeps(services);
    return createAdminApi({
      ...services,
      counters: storage.counters,
      limit: config.throttle.administration,
      guards: operationDeps.guards,
      findActor: createFindActor(services),
      forPages: createClientOrigins(services),
      operations: [...operations, ...furtherOperations],
      operationDeps,
    });
  }
  let loaded: Promise<Middleware> | undefined;
  return async (ctx, next) => {
    loaded ??= load().catch((error) => {
      // A store that is away may be there the next time.
      loaded = undefined;
      throw error;
    });
    await (await loaded)(ctx, next);
  };
}

export async function createRoutes(
  services: Services,
  {
    views,
    tokenEndpoint,
    faces: further,
    operations: furtherOperations = [],
  }: {
    readonly views: Views;
    readonly tokenEndpoint: TokenEndpoint | undefined;
    readonly faces: readonly Face[] | undefined;
    readonly operations: readonly Operation[] | undefined;
  },
) {
  const { provider, issuer, throttle } = services;
  const { interactions } = provider;
  const interaction = createInteractionRoutes({
    ...services,
    forms: createForms(services),
    interactions,
    views,
  });
  const { facePrefixes: prefixes } = services.config;
  const faces = await createFaces({ ...services, prefixes, codes: provider.codes, readBody }, further);
  const postedRequests = createPostedRequests({ ...services, limit: throttle.authorizationRequest });
  const { endpoints, directEndpoints, registered } = createEndpoints({
    ...services,
    userinfo: provider.routes,
    tokenEndpoint:
      tokenEndpoint && ((requests) => tokenEndpoint(requests, provider.engine.middleware, issuer)),
  });
  const description = createDescriptionEndpoints(packageFolder('docs'));
  const routes: Middleware[] = [interaction, faces.routes, registered, postedRequests, provider.routes];
  const api = { hasPath: isApiPath, routes: createApi(services, furtherOperations) };
  return { endpoints: new Map([...endpoints, ...description]), directEndpoints, api, routes, faces };
}

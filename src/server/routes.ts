/** Everything that answers requests: endpoints by method and path, and the rest in the order in which it is asked. */
import type { Middleware } from 'koa';
import { createDescriptionEndpoints } from '../admin/openapi/endpoints.ts';
import { createEndpoints, type Handler } from '../endpoints/index.ts';
import type { Requests } from '../endpoints/requests.ts';
import { createFaces } from '../faces/create-faces.ts';
import type { Face } from '../faces/face.ts';
import { readBody } from '../http/body.ts';
import type { Views } from '../http/views.ts';
import { createInteractionRoutes, createPostedRequests } from '../interaction/index.ts';
import { packageFolder } from './package-folder.ts';
import type { Services } from './services.ts';

/** Takes the place of the token endpoint, in tests that compare it with the engine's own. */
export type TokenEndpoint = (requests: Requests, engine: Middleware, issuer: string) => Handler;

export async function createRoutes(
  services: Services,
  {
    views,
    tokenEndpoint,
    faces: further,
  }: {
    readonly views: Views;
    readonly tokenEndpoint: TokenEndpoint | undefined;
    readonly faces: readonly Face[] | undefined;
  },
) {
  const { provider, issuer, throttle } = services;
  const interaction = createInteractionRoutes({ ...services, interactions: provider.interactions, views });
  const { facePrefixes: prefixes } = services.config;
  const faces = await createFaces({ ...services, prefixes, codes: provider.codes, readBody }, further);
  const postedRequests = createPostedRequests({ ...services, limit: throttle.authorizationRequest });
  const { endpoints, directEndpoints } = createEndpoints({
    ...services,
    userinfo: provider.routes,
    tokenEndpoint:
      tokenEndpoint && ((requests) => tokenEndpoint(requests, provider.engine.middleware, issuer)),
  });
  const description = createDescriptionEndpoints(packageFolder('docs'));
  const routes: Middleware[] = [interaction, faces.routes, postedRequests, provider.routes];
  return { endpoints: new Map([...endpoints, ...description]), directEndpoints, routes, faces };
}

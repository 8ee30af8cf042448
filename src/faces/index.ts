/** The faces that are live. A face is added by its folder and a line here. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { type ApiMakerDeps, createApiMaker } from './api-maker/index.ts';
import { createDeviceHive, type DeviceHiveDeps } from './devicehive/index.ts';
import { createFusio, type FusioDeps } from './fusio/index.ts';
import { createMount, type MountDeps } from './mount.ts';
import { createSunbreak, type SunbreakDeps } from './sunbreak/index.ts';
import { createUsergrid, type UsergridDeps } from './usergrid/index.ts';

export interface FacesDeps
  extends MountDeps,
    SunbreakDeps,
    ApiMakerDeps,
    DeviceHiveDeps,
    FusioDeps,
    UsergridDeps {
  readonly users: DeviceHiveDeps['users'] & FusioDeps['users'] & UsergridDeps['users'];
  readonly applications: FusioDeps['applications'] & UsergridDeps['applications'];
  readonly endings: FusioDeps['endings'] & UsergridDeps['endings'];
}

export interface Faces {
  readonly routes: Middleware;
  /** Whether a face answers at this path, for whichever organization. */
  hasPath(path: string): boolean;
}

export function createFaces(deps: FacesDeps): Faces {
  const faces = [
    createSunbreak(deps),
    createApiMaker(deps),
    createDeviceHive(deps),
    createFusio(deps),
    // Its paths begin with the name of an organization, so the others are asked before.
    createUsergrid(deps),
  ];
  const mounts = faces.map((face) => createMount(face, deps));
  const hasPath = (path: string): boolean => mounts.some((mount) => mount.hasPath(path));
  const all = compose(mounts.map(({ middleware }) => middleware));
  return {
    // Most requests are for none of them, and pass in one step.
    routes: (ctx, next) => (hasPath(ctx.path) ? all(ctx, next) : next()),
    hasPath,
  };
}

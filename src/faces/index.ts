/** The faces that are live. A face is added by its folder and a line here. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { type ApiMakerDeps, createApiMaker } from './api-maker/index.ts';
import { createDeviceHive, type DeviceHiveDeps } from './devicehive/index.ts';
import { createFusio, type FusioDeps } from './fusio/index.ts';
import { createMount, type MountDeps } from './mount.ts';
import { createSunbreak, type SunbreakDeps } from './sunbreak/index.ts';

export interface FacesDeps extends MountDeps, SunbreakDeps, ApiMakerDeps, DeviceHiveDeps, FusioDeps {
  readonly users: DeviceHiveDeps['users'] & FusioDeps['users'];
}

export interface Faces {
  readonly routes: Middleware;
  /** Whether a face answers at this path, for whichever organization. */
  hasPath(path: string): boolean;
}

export function createFaces(deps: FacesDeps): Faces {
  const faces = [createSunbreak(deps), createApiMaker(deps), createDeviceHive(deps), createFusio(deps)];
  const mounts = faces.map((face) => createMount(face, deps));
  const hasPath = (path: string): boolean => mounts.some((mount) => mount.hasPath(path));
  const all = compose(mounts.map(({ middleware }) => middleware));
  return {
    // Most requests are for none of them, and pass in one step.
    routes: (ctx, next) => (hasPath(ctx.path) ? all(ctx, next) : next()),
    hasPath,
  };
}

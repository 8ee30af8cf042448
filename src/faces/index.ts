/** The faces that are live. A face is added by its folder and a line here. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { LRUCache } from 'lru-cache';
import type { FaceName } from '../storage/nouns.ts';
import { type ApiMakerDeps, createApiMaker } from './api-maker/index.ts';
import { createDeviceHive, type DeviceHiveDeps } from './devicehive/index.ts';
import type { Face } from './face.ts';
import type { FusioDeps } from './fusio/deps.ts';
import { createFusio } from './fusio/index.ts';
import { createMount, type Mount, type MountDeps } from './mount.ts';
import { createSunbreak, type SunbreakDeps } from './sunbreak/index.ts';
import type { UsergridDeps } from './usergrid/deps.ts';
import { createUsergrid } from './usergrid/index.ts';

const PATHS_KEPT = 1_000;
/** Characters. */
const LONGEST_KEPT = 100;

export interface FacesDeps
  extends MountDeps,
    SunbreakDeps,
    ApiMakerDeps,
    DeviceHiveDeps,
    FusioDeps,
    UsergridDeps {
  readonly users: DeviceHiveDeps['users'] & FusioDeps['users'] & UsergridDeps['users'];
  readonly applications: FusioDeps['applications'] & UsergridDeps['applications'];
  readonly revocations: FusioDeps['revocations'] & UsergridDeps['revocations'];
}

export interface Faces {
  readonly routes: Middleware;
  /** Whether a face answers at this path, for whichever organization. */
  hasPath(path: string): boolean;
  /** As `Mount.call`, of the face with that name. */
  call(name: FaceName, ...call: Parameters<Mount['call']>): ReturnType<Mount['call']>;
}

/** @param further faces that are not among the built-in ones */
export function createFaces(deps: FacesDeps, further: readonly Face[] = []): Faces {
  const faces = [
    createSunbreak(deps),
    createApiMaker(deps),
    createDeviceHive(deps),
    createFusio(deps),
    ...further,
    // Its paths begin with the name of an organization, so the others are asked before.
    createUsergrid(deps),
  ];
  const mounts = faces.map((face) => createMount(face, deps));
  /** The same few paths are asked about several times in each request. */
  const known = new LRUCache<string, boolean>({ max: PATHS_KEPT });
  const hasPath = (path: string): boolean => {
    const answer = known.get(path) ?? mounts.some((mount) => mount.hasPath(path));
    if (path.length <= LONGEST_KEPT) known.set(path, answer);
    return answer;
  };
  const all = compose(mounts.map(({ middleware }) => middleware));
  return {
    // Most requests are for none of them, and pass in one step.
    routes: (ctx, next) => (hasPath(ctx.path) ? all(ctx, next) : next()),
    hasPath,
    async call(name, ...call) {
      return mounts.find((mount) => mount.name === name)?.call(...call);
    },
  };
}

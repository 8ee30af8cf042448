/** The faces that are live. A face is added by its folder and a line here. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { LRUCache } from 'lru-cache';
import type { FaceName } from '../storage/nouns.ts';
import { createApiMaker } from './api-maker/index.ts';
import { createDeviceHive } from './devicehive/index.ts';
import type { Face } from './face.ts';
import { createFusio } from './fusio/index.ts';
import { createMount, type Mount } from './mount.ts';
import type { FaceParts } from './parts.ts';
import { createSunbreak } from './sunbreak/index.ts';
import { createUsergrid } from './usergrid/index.ts';

const PATHS_KEPT = 1_000;
/** Characters. */
const LONGEST_KEPT = 100;

export interface Faces {
  readonly routes: Middleware;
  /** Whether a face answers at this path, for whichever organization. */
  hasPath(path: string): boolean;
  /** As `Mount.call`, of the face with that name. */
  call(name: FaceName, ...call: Parameters<Mount['call']>): ReturnType<Mount['call']>;
}

/** @param further faces that are not among the built-in ones */
export function createFaces(parts: FaceParts, further: readonly Face[] = []): Faces {
  const faces = [
    createSunbreak(parts),
    createApiMaker(parts),
    createDeviceHive(parts),
    createFusio(parts),
    ...further,
    // Its paths begin with the name of an organization, so the others are asked before.
    createUsergrid(parts),
  ];
  const mounts = faces.map((face) => createMount(face, parts));
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

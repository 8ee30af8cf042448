/** All faces of a server, behind one middleware. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { LRUCache } from 'lru-cache';
import { createSystem, type SystemDeps } from './api-maker/system.ts';
import type { FaceCalls } from './embedded.ts';
import type { Face } from './face.ts';
import { builtInFaces } from './index.ts';
import { createMount } from './mount.ts';
import type { FaceParts } from './parts.ts';

const PATHS_KEPT = 1_000;
/** Characters. */
const LONGEST_KEPT = 100;

/** Paths that begin with the name of an organization: all other faces are asked before. */
const takesAnyPath = ({ routes }: Face): boolean =>
  Object.keys(routes).some((route) => route.includes(' /:'));

/** @param further faces that are not among the built-in ones */
export async function createFaces(parts: FaceParts, further: readonly Face[] = []) {
  const builtIn = await Promise.all(builtInFaces.map(async ({ load }) => (await load()).createFace(parts)));
  const faces = [...builtIn, ...further].sort((a, b) => Number(takesAnyPath(a)) - Number(takesAnyPath(b)));
  const mounts = faces.map((face) => createMount(face, parts));
  // The same few paths are asked about several times in each request.
  const known = new LRUCache<string, boolean>({ max: PATHS_KEPT });
  /** Whether a face answers at this path, for whichever organization. */
  const hasPath = (path: string): boolean => {
    const answer = known.get(path) ?? mounts.some((mount) => mount.hasPath(path));
    if (path.length <= LONGEST_KEPT) known.set(path, answer);
    return answer;
  };
  const all = compose(mounts.map(({ middleware }) => middleware));
  // Most requests are for none of them, and pass in one step.
  const routes: Middleware = (ctx, next) => (hasPath(ctx.path) ? all(ctx, next) : next());
  /** @param record is told of every call when it has been answered, for the log and the metrics */
  const calls = (record: SystemDeps['record']): FaceCalls => ({
    system: createSystem({ mounts, record, now: parts.now }),
  });
  return { routes, hasPath, calls };
}

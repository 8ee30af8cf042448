/** The faces that are live. A face is added by its folder and a line here. */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { createMount, type MountDeps } from './mount.ts';
import { createSunbreak, type SunbreakDeps } from './sunbreak/index.ts';

export interface FacesDeps extends MountDeps, SunbreakDeps {}

export interface Faces {
  readonly routes: Middleware;
  /** Whether a face answers at this path, for whichever organization. */
  hasPath(path: string): boolean;
}

export function createFaces(deps: FacesDeps): Faces {
  const faces = [createSunbreak(deps)];
  const paths = new Set(
    faces.flatMap(({ routes }) => Object.keys(routes).map((route) => route.split(' ')[1])),
  );
  return {
    routes: compose(faces.map((face) => createMount(face, deps))),
    hasPath: (path) => paths.has(path),
  };
}

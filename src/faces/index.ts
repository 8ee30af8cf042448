/**
 * The built-in faces: the one list. A face is added by its folder and a line here. What the rest of the server knows of one
 * is its declaration; its code is loaded when a server starts.
 */
import { apiMaker } from './api-maker/declaration.ts';
import type { FaceDeclaration } from './declaration.ts';
import { deviceHive } from './devicehive/declaration.ts';
import type { Face } from './face.ts';
import { fusio } from './fusio/declaration.ts';
import type { FaceParts } from './parts.ts';
import { sunbreak } from './sunbreak/declaration.ts';
import { usergrid } from './usergrid/declaration.ts';

export interface BuiltInFace extends FaceDeclaration {
  readonly load: () => Promise<{ createFace(parts: FaceParts): Face }>;
}

export const builtInFaces: readonly BuiltInFace[] = [
  { ...sunbreak, load: () => import('./sunbreak/index.ts') },
  { ...apiMaker, load: () => import('./api-maker/index.ts') },
  { ...usergrid, load: () => import('./usergrid/index.ts') },
  { ...deviceHive, load: () => import('./devicehive/index.ts') },
  { ...fusio, load: () => import('./fusio/index.ts') },
];

/** @returns for a sentence: what people call the faces that make use of something */
export function titlesOf(use: NonNullable<FaceDeclaration['uses']>[number]): string {
  const users = builtInFaces.filter(({ uses = [] }) => uses.includes(use));
  return users.map(({ title }) => title).join(', ');
}

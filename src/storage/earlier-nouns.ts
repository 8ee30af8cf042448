/** Nouns as earlier versions wrote them, for migrations and imports. */

import type { User } from '../nouns/index.ts';
import { DEVICE_ACCESS } from '../permissions/device-access.ts';

/** What a face keeps on a user: a member of its own once, a member of `faces` since. */
export const BESIDE_FACES = DEVICE_ACCESS;

type EarlierUser = User & { readonly [BESIDE_FACES]?: Readonly<Record<string, unknown>> };

/** @returns the user with that member among `faces`, unless it is there too, which is the later value */
export function moveIntoFaces({ [BESIDE_FACES]: moved, ...user }: EarlierUser): User {
  return moved === undefined ? user : { ...user, faces: { [BESIDE_FACES]: moved, ...user.faces } };
}

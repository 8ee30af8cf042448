/** Nouns as earlier versions wrote them, for migrations and imports. */

import {
  type Application,
  type CollectionName,
  DEFAULT_SECRET,
  type Nouns,
  type User,
} from '../nouns/index.ts';
import { DEVICE_ACCESS } from '../permissions/device-access.ts';
import { defined } from './defined.ts';

/** What a face keeps on a user: a member of its own once, a member of `faces` since. */
export const BESIDE_FACES = DEVICE_ACCESS;

type EarlierUser = User & { readonly [BESIDE_FACES]?: Readonly<Record<string, unknown>> };

/** @returns the user with that member among `faces`, unless it is there too, which is the later value */
export function moveIntoFaces({ [BESIDE_FACES]: moved, ...user }: EarlierUser): User {
  return moved === undefined ? user : { ...user, faces: { [BESIDE_FACES]: moved, ...user.faces } };
}

type EarlierApplication = Omit<Application, 'secrets'> & {
  readonly secrets?: Application['secrets'];
  /** An application had one secret. */
  readonly secretHash?: string;
  readonly secretSeed?: string;
};

/** @returns the application with its secret as the default one, unless it has a list of secrets already */
export function moveIntoSecrets({ secretHash, secretSeed, ...rest }: EarlierApplication): Application {
  if (rest.secrets !== undefined) return { ...rest, secrets: rest.secrets };
  const { id, createdAt } = rest;
  // The node above what was made with the secret has the name that it had when an application had one secret.
  const secret = secretHash !== undefined && { id, name: DEFAULT_SECRET, hash: secretHash, createdAt };
  return { ...rest, secrets: secret ? [{ ...secret, ...defined({ seed: secretSeed }) }] : [] };
}

/** A noun of an earlier version as this version has it. */
export function toCurrentNoun<C extends CollectionName>(collection: C, noun: Nouns[C]): Nouns[C] {
  const known: { readonly [K in CollectionName]?: (noun: never) => Nouns[K] } = {
    users: moveIntoFaces,
    applications: moveIntoSecrets,
  };
  const move = known[collection] as ((noun: Nouns[C]) => Nouns[C]) | undefined;
  return move ? move(noun) : noun;
}

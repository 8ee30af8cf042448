/** What random requests are made from. */
import type { Random } from './random.ts';
import type { Held, Text, World } from './world.ts';

export interface Source {
  readonly random: Random;
  readonly world: Pick<World, 'parties' | 'issuer' | 'now'>;
  /** Tokens to present, the latest last. */
  readonly held: readonly Held[];
  /** Assertions that were sent. */
  readonly assertions: string[];
}

/** Of a form; a name may stand there more than once. */
export type Fields = (readonly [name: string, value: Text])[];

export const TOKEN_PATH = '/oauth/token';
export const INTROSPECTION_PATH = '/oauth/introspect';
export const REVOCATION_PATH = '/oauth/revoke';

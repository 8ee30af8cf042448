/** Who changes something, as the audit log names them. */

import type { FaceName } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';

export interface Author {
  readonly actor: string;
  readonly address?: string;
  readonly requestId?: string;
}

/** The party behind a request: the id of one that authenticated, or the face that a person registers through. */
export type Party =
  | { readonly user: string }
  | { readonly client: string }
  | { readonly connection: string }
  | { readonly registeringThrough: FaceName };

/** The author of what a request changes. */
export function authorOf(
  { address, requestId }: { readonly address: string; readonly requestId?: string | undefined },
  party: Party,
): Author {
  const [[kind, name]] = Object.entries(party) as [[string, string]];
  const actor = kind === 'registeringThrough' ? `registration through ${name}` : `${kind}:${name}`;
  return defined({ actor, address, requestId });
}

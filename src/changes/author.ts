/** Who changes something, as the audit log names them. */

import type { FaceName } from '../nouns/index.ts';
import type { ManagedBy } from '../nouns/noun.ts';
import { defined } from '../storage/defined.ts';

export interface Author {
  readonly actor: string;
  readonly address?: string;
  readonly requestId?: string;
  /** Kept with the nouns that this author makes. */
  readonly managedBy?: ManagedBy;
}

/** What an audit entry has of the author. */
export function inAudit({ managedBy: _, ...author }: Author): Omit<Author, 'managedBy'> {
  return author;
}

/** The party behind a request: the id of one that authenticated, or the face that a person registers through. */
export type Party =
  | { readonly user: string }
  | { readonly client: string }
  | { readonly connection: string }
  | { readonly agent: string }
  | { readonly initialToken: string }
  | { readonly registeringThrough: FaceName };

/** Clients make users and roles through faces only. */
const managers = {
  user: 'person',
  client: 'face',
  connection: 'face',
  agent: 'agent',
  initialToken: 'agent',
  registeringThrough: 'face',
} as const satisfies Readonly<Record<string, ManagedBy>>;

/** The author of what a request changes. */
export function authorOf(
  { address, requestId }: { readonly address: string; readonly requestId?: string | undefined },
  party: Party,
): Author {
  const [[kind, name]] = Object.entries(party) as [[keyof typeof managers, string]];
  const actor = kind === 'registeringThrough' ? `registration through ${name}` : `${kind}:${name}`;
  return defined({ actor, address, requestId, managedBy: managers[kind] });
}

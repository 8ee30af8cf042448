/**
 * All of a store as plain JSON, in the words of the contract and not of one store, so that what one exports another can
 * take. Secrets stay as they are at rest: hashed, or sealed under the master key.
 */
import type { CollectionName, Nouns } from '../nouns/index.ts';
import { defined } from './defined.ts';
import type { Artifact, AuditEntry, NodeRecord, OutboxRow, StoredKey } from './records.ts';
import type { LoginRow, TokenRow } from './rows.ts';

/** Keys of rows and hashes, as JSON has no bytes: base64url. */
type Bytes = string;

export type NounRecord<C extends CollectionName = CollectionName> = {
  [K in C]: { readonly kind: K; readonly row: Nouns[K] };
}[C];

/** The last number given in a collection (a number is never used again), or the last change of nodes. */
export type CountName = CollectionName | 'changes';

/** Keys come first, then counts, then nouns; the rest in any order. */
export type DumpRecord =
  | { readonly kind: 'keys'; readonly row: StoredKey }
  | { readonly kind: 'counts'; readonly name: CountName; readonly value: number }
  | NounRecord
  | { readonly kind: 'nodes'; readonly row: NodeRecord }
  | { readonly kind: 'tokens'; readonly key: Bytes; readonly row: TokenRow }
  | {
      readonly kind: 'logins';
      readonly row: Omit<LoginRow, 'current' | 'previous'> & {
        readonly current: Bytes;
        readonly previous?: Bytes;
      };
    }
  | {
      readonly kind: 'artifacts';
      readonly model: string;
      readonly key: Bytes;
      readonly uid?: Bytes;
      readonly row: Artifact;
    }
  | { readonly kind: 'counters'; readonly key: string; readonly points: number; readonly expiresAt: number }
  | { readonly kind: 'audit'; readonly row: AuditEntry }
  /** Those that are open: what was settled is history. In the order of their positions. */
  | { readonly kind: 'outbox'; readonly row: Omit<OutboxRow, 'position' | 'version'> };

export type DumpKind = DumpRecord['kind'];

/** The import did not begin. */
export class StoreNotEmpty extends Error {
  override readonly name = 'StoreNotEmpty';
  constructor() {
    super('The store is not empty. Import into an empty store.');
  }
}

export interface Dump {
  /** One state of the store, whatever is written meanwhile. */
  export(): AsyncIterable<DumpRecord>;
  /**
   * All or nothing: what the records throw on their way, the store does not keep either.
   * @throws StoreNotEmpty
   */
  import(records: AsyncIterable<DumpRecord>): Promise<void>;
}

export function toLoginRecord({ current, previous, ...row }: LoginRow): DumpRecord {
  const hashes = defined({ current: toBytes(current), previous: previous && toBytes(previous) });
  return { kind: 'logins', row: { ...row, ...hashes } };
}

/** Another store gives it a position of its own. */
export function toOutboxRecord({ position: _, version: __, ...row }: OutboxRow): DumpRecord {
  return { kind: 'outbox', row };
}

export function toBytes(bytes: Uint8Array): Bytes {
  return Buffer.from(bytes).toString('base64url');
}

export function fromBytes(text: Bytes): Buffer {
  return Buffer.from(text, 'base64url');
}

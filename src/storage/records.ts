/**
 * What a store keeps beside nouns (`src/nouns`), tokens and logins (`rows.ts`). Every time is in milliseconds since the
 * epoch.
 */
import type { JsonWebKeyInput } from 'node:crypto';
import type { CollectionName } from '../nouns/index.ts';

/** When what is kept for good expires: the last year that has four digits. */
export const FOREVER = Date.UTC(9999, 0);

/** One of the engine's artifacts: session, interaction, grant, authorization code, replay id. */
export interface Artifact {
  /** The engine's payload without the id itself, which is a secret. */
  readonly payload: Record<string, unknown>;
  readonly expiresAt: number;
  /** Milliseconds; set by `consume`. */
  readonly consumedAt?: number;
}

/**
 * What happened to a node. No record: nothing ever did. `revokedAt` without `restoredAt`: it has ended. With
 * `restoredAt`: what is older than that is dead, what is newer lives. `narrowedAt`: rights shrank, what is older is
 * recomputed.
 */
export interface NodeRecord {
  readonly id: string;
  readonly revokedAt?: number;
  readonly restoredAt?: number;
  readonly narrowedAt?: number;
  /** When the last token below it has expired, the record may go. */
  readonly expiresAt: number;
  /** Grows with every change of any node; the cursor of the revocation feed. Given by the store. */
  readonly change: number;
  /** The organization it belongs to, if it belongs to one. */
  readonly organization?: string;
  /** Identifier of the only resource that tokens below it are for, if there is only one. */
  readonly resource?: string;
}

export interface AuditEntry {
  /** Milliseconds. */
  readonly at: number;
  readonly event: string;
  readonly outcome: 'allowed' | 'denied' | 'changed';
  readonly reason?: string;
  readonly actor?: string;
  readonly subject?: string;
  readonly client?: string;
  readonly organization?: string;
  readonly address?: string;
  readonly requestId?: string;
  /** Never a secret. */
  readonly details?: Record<string, unknown>;
}

/**
 * - `announced`: the change that it tells of may not have happened yet;
 * - `waiting`: to be sent;
 * - `delivered`: the receiver has it;
 * - `failed`: given up.
 */
export type OutboxState = 'announced' | 'waiting' | 'delivered' | 'failed';

/** What the store shows once an announced change has happened. */
export type ExpectedChange =
  | {
      readonly noun: CollectionName;
      readonly id: string;
      readonly what: 'created' | 'removed';
    }
  | {
      readonly noun: CollectionName;
      readonly id: string;
      readonly what: 'changed';
      /** It had before. */
      readonly version: number;
      /** Of the noun after the change. */
      readonly digest: string;
    }
  /** A mark of the node that is not older. */
  | { readonly node: string; readonly revokedSince: number };

/** One event for one webhook. */
export interface OutboxRow {
  readonly id: string;
  readonly webhook: string;
  /** What the event is about: events of one object are sent in their order. */
  readonly subject: string;
  /** Grows with each row. Given by the store. */
  readonly position: number;
  /** Starts at 1 and grows by one at each replacement. Given by the store. */
  readonly version: number;
  readonly state: OutboxState;
  /** Name of the event. */
  readonly event: string;
  /** JSON, as it is sent. */
  readonly body: string;
  readonly createdAt: number;
  /** Of one that is announced. */
  readonly expected?: ExpectedChange;
  /** Of one that is announced or waits: when it is to be looked at. */
  readonly nextAt?: number;
  /** Until `nextAt` a process is sending it. */
  readonly isLeased?: boolean;
  /** Since it was made, or since `since`. */
  readonly attempts: number;
  /** When it was last asked to be sent again. */
  readonly since?: number;
  /** HTTP status of the last attempt. */
  readonly lastStatus?: number;
  /** Why the last attempt failed, cut. */
  readonly lastReason?: string;
  /** Of one that is delivered or was given up. */
  readonly settledAt?: number;
  /** Of one that is delivered or was given up: when it may go. */
  readonly expiresAt?: number;
}

/** A secret of the server's own, encrypted before it comes here. */
export interface StoredKey {
  /** For signing keys the `kid`. */
  readonly id: string;
  /** `signing`, `cookies`, `clientSecrets`, `passwords`, `refresh`, `check`, ... */
  readonly purpose: string;
  /** JWS algorithm of signing keys. */
  readonly alg?: string;
  readonly publicJwk?: JsonWebKeyInput['key'];
  /** AES-256-GCM under a key that the master key wraps. */
  readonly sealed: string;
  readonly createdAt: number;
  /** Published before, used to sign from here on. */
  readonly activeFrom: number;
  /** Used to sign until here. */
  readonly retiredAt?: number;
  /** Published until here. */
  readonly expiresAt?: number;
}

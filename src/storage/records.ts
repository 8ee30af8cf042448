/**
 * What a store keeps beside nouns (`nouns.ts`), tokens and logins (`rows.ts`). Every time is in milliseconds since the
 * epoch.
 */
import type { JsonWebKey } from 'node:crypto';

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

/** A secret of the server's own, encrypted before it comes here. */
export interface StoredKey {
  /** For signing keys the `kid`. */
  readonly id: string;
  /** `signing`, `cookies`, `clientSecrets`, `passwords`, `refresh`, `check`, ... */
  readonly purpose: string;
  /** JWS algorithm of signing keys. */
  readonly alg?: string;
  readonly publicJwk?: JsonWebKey;
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

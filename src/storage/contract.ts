/**
 * Storage: what Grantable asks of a store, what it keeps beside nouns (`rows.ts`, `records.ts`), and secrets at rest
 * (`vault.ts`). The stores themselves are in `adapters/storage`. It serves no routes.
 *
 * This file: the contract, in small interfaces with the few methods that their callers need. Two very
 * different stores keep this contract, so nothing here needs more than single-document operations: insert if absent,
 * compare-and-set, upsert, find by key. `test/contracts/storage.contract.ts` is its executable form.
 *
 * Rules for every method: a resolved promise means the effect is durable; an expired row is never returned, whether
 * or not it has been swept; keys of secrets arrive hashed (`handleKey`), so a copy of the store holds nothing usable.
 * Every time is given by the caller in milliseconds since the epoch, never taken from a clock of the store's own.
 */

import {
  COLLECTIONS,
  type CollectionName,
  type ListedKey,
  type NewNoun,
  type Nouns,
  type UniqueKey,
} from '../nouns/index.ts';
import type { Dump } from './dump.ts';
import type { Artifact, AuditEntry, NodeRecord, OutboxRow, OutboxState, StoredKey } from './records.ts';
import type { AccountFacts, LoginRow, TokenRow } from './rows.ts';

export type * from './records.ts';
export type * from './rows.ts';

/** A row with this key, or with one of its unique values, exists already. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
  /** Which unique key clashed, e.g. `username`. */
  readonly key: string;
  constructor(key: string) {
    super(`already taken: ${key}`);
    this.key = key;
  }
}

/** The row was changed or removed since it was read. */
export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';
}

/**
 * The store cannot be reached or cannot write at this moment; the caller may try again. Becomes a 503. The message says why
 * to the operator, without a secret; clients never see it.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** The store cannot be opened, made or trusted. Nothing was changed; the message is a sentence for the operator. */
export class CannotOpenStore extends Error {
  override readonly name = 'CannotOpenStore';
}

/** The store was written by a newer version of Grantable. Nothing was changed. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase';
}

/** The error itself, or the one that caused it. */
export function findStoreUnavailable(error: unknown): StoreUnavailable | undefined {
  if (error instanceof StoreUnavailable) return error;
  return error instanceof Error && error.cause !== undefined ? findStoreUnavailable(error.cause) : undefined;
}

/** Rows that have not expired, ended ones included, newest first. */
export interface RowPage<By extends string> {
  readonly by: By;
  readonly id: string;
  readonly now: number;
  readonly after?: string;
  readonly limit: number;
}

export interface ArtifactStore {
  /** Writes or overwrites. `lookups.uid` is a further hashed key, by which `findByUid` finds it. */
  upsert(model: string, key: Buffer, artifact: Artifact, lookups?: { readonly uid?: Buffer }): Promise<void>;
  /** Writes only if no live row has this key. Exactly one of any number of parallel callers gets `true`. */
  insert(model: string, key: Buffer, artifact: Artifact, now: number): Promise<boolean>;
  find(model: string, key: Buffer, now: number): Promise<Artifact | undefined>;
  findByUid(model: string, uid: Buffer, now: number): Promise<Artifact | undefined>;
  /** Marks as used. Exactly one of any number of parallel callers, in any number of processes, gets `true`. */
  consume(model: string, key: Buffer, now: number): Promise<boolean>;
  remove(model: string, key: Buffer): Promise<void>;
}

/** The token registry. */
export interface TokenStore {
  insert(key: Buffer, row: TokenRow): Promise<void>;
  find(key: Buffer, now: number): Promise<TokenRow | undefined>;
  /** The one with the id, among those whose keys are not below `from` and below `to`. All of these are looked at. */
  findAmong(keys: { from: Buffer; to: Buffer }, id: string, now: number): Promise<TokenRow | undefined>;
  page(options: RowPage<'application' | 'user' | 'connection' | 'parent' | 'login'>): Promise<Page<TokenRow>>;
  /** How many tokens that descend from the connection have not expired, ended ones included; counts up to `limit`. */
  countOf(connection: string, now: number, limit: number): Promise<number>;
}

export interface LoginStore {
  insert(login: LoginRow): Promise<void>;
  find(id: string, now: number): Promise<LoginRow | undefined>;
  page(options: RowPage<'application' | 'user'>): Promise<Page<LoginRow>>;
  /**
   * Moves the family on: current `from` becomes `to`, only if `from` is current. One winner.
   * @param account what the person's row says; absent: what is stored of it stays
   */
  rotate(id: string, from: Buffer, to: Buffer, now: number, account?: AccountFacts): Promise<boolean>;
  /** How many logins made from this person's logins have not expired, ended ones included; counts up to `limit`. */
  countOf(origin: string, now: number, limit: number): Promise<number>;
}

/** Whom the end of a node concerns. */
export type NodeScope = Pick<NodeRecord, 'organization' | 'resource'>;

export type NodeMark = Partial<Pick<NodeRecord, 'revokedAt' | 'restoredAt' | 'narrowedAt'>>;

export interface NodeChanges {
  /** In order of `change`, at most `limit`. */
  readonly records: NodeRecord[];
  /** The cursor to go on with: nothing up to it is still to come. Never below the one that was given. */
  readonly until: number;
}

export interface NodeStore {
  /** Upserts one record. Fields already there only grow; `restoredAt` counts only while it is not below `revokedAt`. */
  mark(id: string, mark: NodeMark, expiresAt: number, scope?: NodeScope): Promise<void>;
  /** The same, and the record goes at `expiresAt` even if it was to be kept longer. */
  markLast(id: string, mark: NodeMark, expiresAt: number, scope?: NodeScope): Promise<void>;
  /** The records among `ids`, in no order; ids without a record are absent. One query. */
  read(ids: readonly string[]): Promise<NodeRecord[]>;
  /**
   * Those after the cursor. A record whose change commits late is never skipped: while one may, `until` stays before it,
   * and what is given beyond `until` is given again the next time.
   */
  changesSince(change: number, limit: number): Promise<NodeChanges>;
  /** A number that differs whenever `changesSince` could give more than before. One point read. */
  latestChange(): Promise<number>;
  /** The cursor for a follower that begins at this moment: every change up to it has committed. One point read. */
  settledChange(): Promise<number>;
}

interface Window {
  readonly points: number;
  readonly expiresAt: number;
}

/** Throttling. Windows start with the first point and are not extended by later ones. */
export interface Counters {
  /** Adds atomically and returns the sum in the running window; starts a new window of `windowMs` if none runs. */
  increment(key: string, points: number, windowMs: number, now: number): Promise<Window>;
  get(key: string, now: number): Promise<Window | undefined>;
  /** Overwrites the window. */
  set(key: string, points: number, expiresAt: number): Promise<void>;
  remove(key: string): Promise<void>;
}

/** What entries of the audit log have in common. */
export interface AuditFilter {
  readonly organization?: string;
  readonly actor?: string;
  /** The target. */
  readonly subject?: string;
  /** The whole name of the event, or its beginning up to a dot and with it: `user.`. */
  readonly event?: string;
  readonly outcome?: AuditEntry['outcome'];
  /** Milliseconds: no earlier entries. */
  readonly since?: number;
  /** Milliseconds: only earlier entries. */
  readonly until?: number;
}

/** Nouns or entries that one call looks at, at most, where no index leads to those that it is asked for. */
export const MOST_LOOKED_AT = 10_000;

export interface Counted {
  readonly count: number;
  /** There may be more: counting ended at a limit. */
  readonly isMore: boolean;
}

/** An entry, and the text by which the store finds it. */
export type AuditRecord = AuditEntry & { readonly cursor: string };

interface AuditPage {
  readonly entries: AuditRecord[];
  readonly next?: string;
}

/** Append-only, until entries are removed because of their age. */
export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
  /** Removes at most `limit` entries whose `at` is earlier, oldest first; returns how many. */
  removeBefore(at: number, limit: number): Promise<number>;
  /**
   * Newest first, by `at`. `before` is the `cursor` of an entry, which means something to this store only. A page may have
   * fewer entries than `limit`, or none, and still a `next`: a call looks at no more than `MOST_LOOKED_AT` entries.
   */
  page(options: AuditFilter & { before?: string; limit: number }): Promise<AuditPage>;
  /** Counts up to `limit`, and looks at no more than `MOST_LOOKED_AT` entries that do not match. */
  count(filter: AuditFilter, limit: number): Promise<Counted>;
  /** @returns undefined also for a text that is not a cursor */
  find(cursor: string): Promise<AuditRecord | undefined>;
}

/** A row before its store gives it a position and a version. */
export type NewOutboxRow = Omit<OutboxRow, 'position' | 'version'>;

/** Events on their way to webhooks. A row is open while it has a `nextAt`. */
export interface Outbox {
  /** Undefined: there is a row with this id already. */
  insert(row: NewOutboxRow): Promise<OutboxRow | undefined>;
  find(id: string): Promise<OutboxRow | undefined>;
  /** Open rows whose `nextAt` has come, the earliest first. @param except webhooks whose rows are left out */
  due(now: number, limit: number, except: readonly string[]): Promise<OutboxRow[]>;
  /** The open row of a webhook and subject that came first. */
  first(webhook: string, subject: string): Promise<OutboxRow | undefined>;
  /**
   * Writes version + 1 if the stored version is still `row.version`; webhook, subject and position stay.
   * @returns undefined: it was replaced or removed meanwhile. Exactly one of any number of parallel callers gets the row.
   */
  replace(row: OutboxRow): Promise<OutboxRow | undefined>;
  /** Only if the version is still this one. */
  remove(row: Pick<OutboxRow, 'id' | 'version'>): Promise<void>;
  /** Of one webhook, newest first. */
  page(options: {
    readonly webhook: string;
    readonly state?: OutboxState;
    readonly after?: string;
    readonly limit: number;
  }): Promise<Page<OutboxRow>>;
}

export interface KeyStore {
  /** All keys, oldest first. */
  list(): Promise<StoredKey[]>;
  /** `false` if a key with this id exists: two processes starting at once must agree on one. */
  insert(key: StoredKey): Promise<boolean>;
  replace(key: StoredKey): Promise<void>;
  remove(id: string): Promise<void>;
  /** Changes whenever any key does; cheap, polled. */
  revision(): Promise<number>;
}

export interface Page<T> {
  readonly items: T[];
  /** Give it as `after` for the following page; absent on the last one. */
  readonly next?: string;
}

/** One kind of administered noun. */
export interface Collection<T, Key extends string = string> {
  get(id: string): Promise<T | undefined>;
  /** @param key of the unique keys of the noun @param value as made by its function */
  findBy(key: Key, value: string): Promise<T | undefined>;
  findNumber(number: number): Promise<T | undefined>;
  /** Gives `number` and version 1. @throws Conflict with the name of the unique key that is taken */
  insert(noun: NewNoun<T>): Promise<T>;
  /** Writes version + 1 if the stored version is still `noun.version`. @throws VersionConflict, Conflict */
  replace(noun: T): Promise<T>;
  /** @throws VersionConflict */
  remove(id: string, version: number): Promise<void>;
  /**
   * By `number`; stable while rows are added and removed. With both `organization` and `listed` a page may have fewer nouns than
   * `limit`, or none, and still a `next`: a call looks at no more than `MOST_LOOKED_AT` nouns.
   */
  page(options: PageOptions): Promise<Page<T>>;
  /** Counts up to `limit`. With both `organization` and `listed` it looks at no more than `MOST_LOOKED_AT` nouns. */
  count(among: Among, limit: number): Promise<Counted>;
  /**
   * The values that nouns have under a listed key, each once. The time grows with the number of values, not of nouns.
   */
  listedValues(key: ListedKey): Promise<string[]>;
}

/** What nouns have in common. */
export interface Among {
  readonly organization?: string;
  /** Only nouns that have the value under the key. */
  readonly listed?: { readonly key: ListedKey; readonly value: string };
}

export interface PageOptions extends Among {
  readonly after?: string;
  readonly limit: number;
}

/** Which noun was made, replaced or removed. */
export interface DirectoryChange {
  readonly collection: CollectionName;
  readonly id: string;
  /** The one that the change concerns; absent: all of them. */
  readonly organization?: string;
}

export interface DirectoryChanges {
  /** Absent if the log does not reach back: anything may have changed. */
  readonly changes?: readonly DirectoryChange[];
  /** To go on with; means something to this store only. */
  readonly cursor: string;
}

export type Collections = { readonly [C in CollectionName]: Collection<Nouns[C], UniqueKey<C>> };

/** @param make for one kind of noun */
export function createCollections(
  make: <C extends CollectionName>(name: C) => Collection<Nouns[C], UniqueKey<C>>,
): Collections {
  return Object.fromEntries(COLLECTIONS.map((name) => [name, make(name)])) as unknown as Collections;
}

export type DirectoryStore = Collections & {
  /** Grows with every change in any collection but those that are read each time. Read at each request: one point read. */
  revision(): Promise<number>;
  /**
   * The changes after the cursor, up to the revision that was read last. A change that is under way is given each time
   * until it is done. The log is bounded.
   */
  changesSince(cursor?: string): Promise<DirectoryChanges>;
};

/**
 * Many reads of one moment, made cheaply: between `begin` and `end` all reads see the store as it was at the first of them.
 * Both are called in one turn of the event loop. Nothing is committed between them; writes that are asked for there
 * commit later.
 */
export interface Snapshot {
  begin(): void;
  end(): void;
}

export interface Storage {
  /** Product and version, for people. */
  readonly description: string;
  /** Sentences for the operator about promises that this store does not keep and Grantable can do without. */
  readonly warnings: readonly string[];
  readonly artifacts: ArtifactStore;
  readonly tokens: TokenStore;
  readonly logins: LoginStore;
  readonly nodes: NodeStore;
  readonly counters: Counters;
  readonly audit: AuditLog;
  readonly keys: KeyStore;
  readonly outbox: Outbox;
  readonly directory: DirectoryStore;
  /** Of a store whose reads end before the microtasks of a turn do. */
  readonly snapshot?: Snapshot;
  /**
   * Removes at most `limit` expired rows, oldest first, and stops after a few milliseconds.
   * @returns how many; 0 when all have gone
   */
  sweep(now: number, limit: number): Promise<number>;
  /** Rows that have expired and wait for the sweep; counts up to `limit`. */
  countExpired(now: number, limit: number): Promise<Counted>;
  /** Resolves if the store can be written to at this moment. @throws StoreUnavailable */
  ping(): Promise<void>;
  /** A consistent copy of everything, while in use. @param path of a file that does not exist yet */
  backup(path: string): Promise<void>;
  /** What is damaged, as sentences; empty when nothing is. Reads everything. */
  verify(): Promise<string[]>;
  /** Everything, to move house. */
  readonly dump: Dump;
  close(): Promise<void>;
}

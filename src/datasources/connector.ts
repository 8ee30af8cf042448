/** The contract of the adapters: what Grantable asks of a database product. */
import type { LookupFunction } from 'node:net';
import type { DatasourceServer } from '../nouns/index.ts';

/** Milliseconds that a connection, or an answer, may take. */
export const TIMEOUT_MS = 2_000;
/** Connections to one database in each process. */
export const MAX_CONNECTIONS = 5;
/** Bytes that one connection may receive before it is given up; a login's rows are small. */
export const MAX_RECEIVED = 64 * 1024 * 1024;

/** It does not answer, refuses us, or is not what was registered; the message is for the log. */
export class DatasourceAway extends Error {
  override readonly name = 'DatasourceAway';
}

export type Scalar = string | number | boolean | null;

export type Row = Readonly<Record<string, unknown>>;

/** All names come from the registration; all values are bound, never part of a text. */
export interface RowQuery {
  readonly database: string;
  readonly collection: string;
  readonly columns: readonly string[];
  readonly where: readonly { readonly column: string; readonly equals: Scalar }[];
}

export interface Connector {
  /** At most two rows. What cannot be compared with its column matches nothing. @throws DatasourceAway */
  findRows(query: RowQuery): Promise<readonly Row[]>;
  /**
   * Names of the columns that the catalogue has; undefined if there is no such table or collection.
   * @param named the columns of interest, for products without a catalogue of columns
   * @throws DatasourceAway
   */
  findColumns(
    database: string,
    collection: string,
    named: readonly string[],
  ): Promise<ReadonlySet<string> | undefined>;
  close(): Promise<void>;
}

/** Where a database server is, and how it may be reached. */
export interface ServerTarget extends DatasourceServer {
  readonly password: string | undefined;
  /** Resolves names, and refuses addresses that the operator has not allowed. */
  readonly lookup: LookupFunction;
}

type OpenServer = (target: ServerTarget) => Promise<Connector>;

export interface ConnectorKinds extends Record<'postgres' | 'mysql' | 'mongodb', OpenServer> {
  /** @param path of an existing file */
  readonly sqlite: (path: string) => Promise<Connector>;
}

/** The contract of the adapters: what Grantable asks of a database product. */
import type { LookupFunction } from 'node:net';
import { cut, toOneLine } from '../errors/texts.ts';
import type { DatasourceServer } from '../nouns/index.ts';
import type { ColumnType } from '../permissions/column-types.ts';

export type { ColumnType };

/** Milliseconds that a connection, or an answer, may take. */
export const TIMEOUT_MS = 2_000;
/** Connections to one database in each process. */
export const MAX_CONNECTIONS = 5;
/** Bytes that one connection may receive before it is given up; a login's rows are small. */
export const MAX_RECEIVED = 64 * 1024 * 1024;
/** Documents of a collection that are looked at for its columns: half of them the oldest, half the newest. */
export const SAMPLED = 200;

/** In UTF-16 units, of what a database says. */
const MAX_MESSAGE = 300;

/** It does not answer, refuses us, or is not what was registered; the message is one line, for the log and the operator. */
export class DatasourceAway extends Error {
  override readonly name = 'DatasourceAway';
  /** @param message may have the words of a hostile database */
  constructor(message: string, options?: ErrorOptions) {
    super(toOneLine(cut(message, MAX_MESSAGE)), options);
  }
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

/** A table, view or collection as the database has it. */
export interface FoundTable {
  /** Absent: the product has no schemas. */
  readonly schema?: string;
  readonly name: string;
  /** Columns of types that have no like of ours are texts. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
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
  /**
   * All tables and views by schema and name; partitions, tables that inherit from others, and what belongs to the product or
   * to an extension are left out. Of a product without a catalogue of columns, those of `SAMPLED` documents are found.
   * @param schemas of MySQL: databases; products without schemas do not read it
   * @throws DatasourceAway
   */
  readCatalogue(database: string, schemas: readonly string[]): Promise<readonly FoundTable[]>;
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

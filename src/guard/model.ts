/**
 * What makes PostgreSQL obey tokens, as `permissions` decides: `sql` writes the text of a migration, the files beside it read the
 * catalogue, look for ways around the migration, run it and compare. This file: what a migration is made from.
 */
import type { ColumnType } from '../permissions/column-types.ts';

/** The name of a table, view or sequence. */
export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

export interface DatabaseColumn {
  readonly name: string;
  /** As `format_type` writes it, with its schema where it is not in `pg_catalog`. */
  readonly type: string;
  /** The same of what a domain stands for, without lengths: `character varying`. */
  readonly baseType: string;
  /** What the resource declares; undefined: rights cannot be limited by it. */
  readonly declared: ColumnType | undefined;
  /** `always` for identities and generated columns that the database fills in. */
  readonly generated: 'always' | 'unless set' | 'never';
}

export interface GuardedTable extends QualifiedName {
  /** Its name in tokens. */
  readonly id: string;
  readonly columns: readonly DatabaseColumn[];
  /** Columns of the primary key; none: rows cannot be told apart. */
  readonly key: readonly string[];
  /** Partitions and children of all levels. */
  readonly children: readonly QualifiedName[];
  /** Sequences that fill in its columns. */
  readonly sequences: readonly QualifiedName[];
  /** Whether rights may be limited to some of its rows or columns. */
  readonly isLimited: boolean;
  /** Columns by which limited rights usually find their rows, with an index. */
  readonly rowColumns: readonly string[];
}

export interface Guard {
  readonly issuer: string;
  /** Identifier of the resource. */
  readonly resource: string;
  readonly tables: readonly GuardedTable[];
  /** Roles of the database that requests of clients run as. */
  readonly clientRoles: readonly string[];
  /** Roles that tokens do not bind, such as the owner of the tables. */
  readonly exemptRoles: readonly string[];
  /** What the tables of the default schema are read through. */
  readonly viewSchema: string;
  readonly defaultSchema: string;
  /** `report`: what would be refused is logged, and not refused. */
  readonly mode: 'enforce' | 'report';
  /** As `server_version_num`: 150018. */
  readonly serverVersion: number;
}

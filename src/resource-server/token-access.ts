/** What one token allows of rows and columns, for handlers that apply the limits of rights themselves. */
import type { Action } from '../permissions/actions.ts';
import {
  type ColumnLimit,
  hasColumns,
  type Limit,
  type Row,
  type TableColumns,
  toLimits,
  toPlainLimit,
  typesOf,
} from '../permissions/column-limits.ts';
import { quoteName } from '../permissions/errors.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { mayWrite, readableColumns } from '../permissions/verdicts.ts';
import { insufficient } from './errors.ts';
import { type ReadSql, type SqlOptions, toReadSql, toWriteSql, type WriteSql } from './limits-sql.ts';
import type { SqlDialect } from './sql-dialects.ts';

export class TokenAccess {
  readonly #permissions: Permissions;
  readonly #tables: TableColumns;

  /** @param tables the declared types of columns: values compare in them, else in their natural text */
  constructor(permissions: Permissions, tables: TableColumns) {
    this.#permissions = permissions;
    this.#tables = tables;
  }

  /** The ways in which the action is allowed: none, one without limits (`{}`), or alternatives, which are never merged. */
  limits(table: string, action: Action): Limit[] {
    return this.#limits(table, action).map(toPlainLimit);
  }

  /**
   * The limits as parts of SQL statements; see `ReadSql` and `WriteSql`. Nothing allowed gives no rows.
   * @throws TypeError for names that no table or column of such a database can have
   */
  toSql(table: string, action: 'read', dialect: SqlDialect, options?: SqlOptions): ReadSql;
  toSql(table: string, action: Exclude<Action, 'read'>, dialect: SqlDialect, options?: SqlOptions): WriteSql;
  toSql(table: string, action: Action, dialect: SqlDialect, options?: SqlOptions): ReadSql | WriteSql {
    const limited = { table, limits: this.#limits(table, action), types: typesOf(this.#tables, table) };
    return action === 'read' ? toReadSql(limited, dialect, options) : toWriteSql(limited, dialect, options);
  }

  /**
   * The rows that may be seen (or, for another action, written), each with the columns that may. They must have the columns
   * by which rows are limited: a row without one is dropped.
   */
  filter<R extends object>(table: string, action: Action, rows: readonly R[]): Partial<R>[] {
    const limits = this.#limits(table, action);
    const types = typesOf(this.#tables, table);
    return rows.flatMap((row): Partial<R>[] => {
      const readable = readableColumns(row as Row, limits, types);
      if (!readable) return [row];
      const visible = Object.entries(row).filter(([column]) => readable.has(column));
      return visible.length === 0 ? [] : [Object.fromEntries(visible) as Partial<R>];
    });
  }

  /**
   * For columns by which a client filters, sorts or groups: which rows come, and in which order, tells of values that are
   * hidden. Each column must be visible in every row that is. Whether the table has it is not checked.
   * @throws AccessError insufficient_scope
   */
  demandColumns(table: string, columns: Iterable<string>): void {
    const limits = this.#limits(table, 'read');
    if (limits.length === 0) throw insufficient(table, 'read');
    const hidden = [...columns].find((column) => !limits.every((limit) => hasColumns(limit, [column])));
    if (hidden === undefined) return;
    throw insufficient(
      table,
      'read',
      `The token does not allow to filter or sort rows of ${quoteName(table)} by ${quoteName(hidden)}.`,
    );
  }

  /**
   * @param row as it will be in the database
   * @param set the columns that the client sets; those of the row unless said otherwise
   * @throws AccessError insufficient_scope
   */
  demandCreate(table: string, row: object, set: Iterable<string> = Object.keys(row)): void {
    this.#demand(table, 'create', row, set);
  }

  /**
   * @param before the row as it is in the database, and nothing else may change it until the change is made
   * @param changes the new values by column; one that is as before counts too, for its author would learn that it is
   * @param after the row as it will be, where more changes than that
   * @throws AccessError insufficient_scope
   */
  demandUpdate(
    table: string,
    before: object,
    changes: object,
    after: object = { ...before, ...changes },
  ): void {
    this.#demand(table, 'update', before, Object.keys(changes));
    this.#demand(table, 'update', after, []);
  }

  /** @throws AccessError insufficient_scope */
  demandDelete(table: string, row: object): void {
    this.#demand(table, 'delete', row, []);
  }

  #demand(table: string, action: Action, row: object, columns: Iterable<string>): void {
    const types = typesOf(this.#tables, table);
    if (mayWrite(row as Row, columns, this.#limits(table, action), types)) return;
    throw insufficient(table, action);
  }

  #limits(table: string, action: Action): ColumnLimit[] {
    return toLimits(this.#permissions.cell(table, action), typesOf(this.#tables, table));
  }
}

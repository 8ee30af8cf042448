/** Statements of one connection, each prepared once, and the values in their rows. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

export type Row = Record<string, SQLInputValue>;
/** What a statement has in place of its question marks. */
export type Values = readonly SQLInputValue[];

/** @returns undefined for NULL and for a column that the row does not have */
export function optionalNumber(value: SQLInputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

/** @returns undefined for all that is not text */
export function optionalText(value: SQLInputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export interface Statements {
  prepare(sql: string): StatementSync;
  get(sql: string, values?: Values): Row | undefined;
  all(sql: string, values?: Values): Row[];
  /** Runs inside a transaction only. @returns how many rows changed */
  run(sql: string, values?: Values): number;
  /** Raises a sequence by one, inside a transaction. */
  next(sequence: string): number;
}

export function createStatements(connection: DatabaseSync): Statements {
  const prepared = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = prepared.get(sql);
    if (!statement) {
      statement = connection.prepare(sql);
      prepared.set(sql, statement);
    }
    return statement;
  };
  return {
    prepare,
    get: (sql, values = []) => prepare(sql).get(...values),
    all: (sql, values = []) => prepare(sql).all(...values),
    run: (sql, values = []) => Number(prepare(sql).run(...values).changes),
    next(sequence) {
      const row = prepare(
        'INSERT INTO sequences VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value',
      ).get(sequence);
      return Number(row?.value);
    },
  };
}

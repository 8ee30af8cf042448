/** Reads one SQLite file in a thread of its own, because a query cannot be stopped in any other way. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

interface Question {
  readonly id: number;
  readonly text: string;
  readonly values: SQLInputValue[];
}

const database = new DatabaseSync((workerData as { path: string }).path, {
  readOnly: true,
  allowExtension: false,
  enableDoubleQuotedStringLiterals: false,
});
database.exec('PRAGMA query_only = 1; PRAGMA trusted_schema = 0;');

parentPort?.on('message', ({ id, text, values }: Question) => {
  try {
    const statement = database.prepare(text);
    statement.setReadBigInts(true);
    parentPort?.postMessage({ id, rows: statement.all(...values).map((row) => ({ ...row })) });
  } catch (error) {
    parentPort?.postMessage({ id, error: (error as Error).message });
  }
});

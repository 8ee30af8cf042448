/** A process that reads one SQLite file: see `sqlite.ts`. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

interface Question {
  readonly id: number;
  readonly text: string;
  readonly values: SQLInputValue[];
}

/** Bytes. SQLite refuses to make a larger one, so that none is ever held in memory or sent. */
const MAX_VALUE = 65_536;
/** SQLITE_TOOBIG */
const TOO_BIG = 18;

const database = new DatabaseSync(process.argv[2] ?? '', {
  readOnly: true,
  allowExtension: false,
  enableDoubleQuotedStringLiterals: false,
  limits: { length: MAX_VALUE },
});
database.exec('PRAGMA query_only = 1; PRAGMA trusted_schema = 0;');

function answer({ text, values }: Question): object {
  try {
    const statement = database.prepare(text);
    statement.setReadBigInts(true);
    return { rows: statement.all(...values).map((row) => ({ ...row })) };
  } catch (error) {
    const { errcode, message } = error as Error & { errcode?: number };
    // A row that a person filled with bad data must not look like a database that is away.
    return errcode === TOO_BIG ? { rows: [] } : { error: message };
  }
}

process.on('message', (question: Question) => process.send?.({ id: question.id, ...answer(question) }));
process.send?.({});

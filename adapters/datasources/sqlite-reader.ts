/** A process that reads one SQLite file: see `sqlite.ts`. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

interface Question {
  readonly id: number;
  readonly text: string;
  readonly values: SQLInputValue[];
}

const database = new DatabaseSync(process.argv[2] ?? '', {
  readOnly: true,
  allowExtension: false,
  enableDoubleQuotedStringLiterals: false,
});
database.exec('PRAGMA query_only = 1; PRAGMA trusted_schema = 0;');

function answer({ text, values }: Question): object {
  try {
    const statement = database.prepare(text);
    statement.setReadBigInts(true);
    return { rows: statement.all(...values).map((row) => ({ ...row })) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

process.on('message', (question: Question) => process.send?.({ id: question.id, ...answer(question) }));

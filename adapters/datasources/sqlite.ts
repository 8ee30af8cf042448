/**
 * A SQLite file. SQLite has no time limit and Node.js no way to interrupt it, in this thread or another one: so it is
 * read by a process of its own, which is killed when it takes too long.
 */
import { fork } from 'node:child_process';
import { extname, join } from 'node:path';
import { sql } from 'kysely';
import { type Connector, DatasourceAway, type Row, TIMEOUT_MS } from '../../src/datasources/connector.ts';
import { toTables } from './catalogues.ts';
import { type Statement, toNames, withoutBooleans, write, writeRowQuery } from './sql.ts';

const READER = join(import.meta.dirname, `sqlite-reader${extname(import.meta.filename)}`);
/** The view selects from what is not there: it has no columns. */
const BROKEN_VIEW = /^(?:no such|error in view)/;
/** Milliseconds without a question after which the process is ended. */
const IDLE = 60_000;
/** Milliseconds that the process may take to start; a question counts from then on. */
const START = 15_000;

/** Its first message has nothing: it has started. */
interface Answer {
  readonly id?: number;
  readonly rows?: readonly Row[];
  readonly error?: string;
}

function startReader(path: string, onEnd: () => void) {
  const asked = new Map<number, PromiseWithResolvers<readonly Row[]> & { late?: NodeJS.Timeout }>();
  let last = 0;
  const child = fork(READER, [path], {
    // Whole numbers may be larger than JSON can say.
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
    env: {},
  });
  // The server does not wait for it when it stops.
  child.unref();
  child.channel?.unref();
  const end = (reason: string): void => {
    onEnd();
    clearTimeout(starting);
    for (const { late, reject } of asked.values()) {
      clearTimeout(late);
      reject(new DatasourceAway(reason));
    }
    asked.clear();
    child.kill('SIGKILL');
  };
  const idle = setTimeout(() => end('idle'), IDLE).unref();
  const limit = () => setTimeout(() => end(`no answer within ${TIMEOUT_MS} ms`), TIMEOUT_MS);
  let starting: NodeJS.Timeout | undefined = setTimeout(
    () => end(`the process that reads it did not start within ${START} ms`),
    START,
  );
  child.on('message', ({ id, rows, error }: Answer) => {
    if (id === undefined) {
      clearTimeout(starting);
      starting = undefined;
      for (const question of asked.values()) question.late = limit();
      return;
    }
    const question = asked.get(id);
    asked.delete(id);
    clearTimeout(question?.late);
    if (rows) question?.resolve(rows);
    else question?.reject(new DatasourceAway(error ?? 'no answer'));
  });
  // More than one message may come: the answer to a query under way, and the end.
  child.on('error', (error) => end(error.message));
  child.once('exit', (code) => end(`the process that reads it ended with ${code}`));
  return {
    end,
    ask({ text, values }: Statement): Promise<readonly Row[]> {
      idle.refresh();
      last += 1;
      const id = last;
      const question = Promise.withResolvers<readonly Row[]>();
      asked.set(id, { ...question, ...(starting === undefined && { late: limit() }) });
      child.send({ id, text, values: withoutBooleans(values) });
      return question.promise;
    },
  };
}

/** @param path of an existing file */
export function openSqlite(path: string): Connector {
  let reader: ReturnType<typeof startReader> | undefined;
  const ask = (statement: Statement): Promise<readonly Row[]> => {
    if (!reader) {
      const started = startReader(path, () => {
        if (reader === started) reader = undefined;
      });
      reader = started;
    }
    return reader.ask(statement);
  };
  return {
    findRows: (query) => ask(writeRowQuery('sqlite', [query.database, query.collection], query)),
    async findColumns(database, collection) {
      if (database !== 'main') return undefined;
      return toNames(await ask(write.sqlite`select name from pragma_table_info(${collection})`));
    },
    async readCatalogue() {
      const rows: Row[] = [];
      // Not what virtual tables are made of.
      const tables = write.sqlite`select name from pragma_table_list where schema = 'main' and type in ('table', 'view', 'virtual')
        and name not like 'sqlite^_%' escape '^' order by name`;
      for (const { name } of await ask(tables)) {
        const table = String(name);
        // Not the hidden columns of virtual tables.
        const query = write.sqlite`select ${table} as name, name as ${sql.id('column')}, type
          from pragma_table_xinfo(${table}) where hidden <> 1 order by cid`;
        const columns = await ask(query).catch((error: DatasourceAway) => {
          if (BROKEN_VIEW.test(error.message)) return [];
          throw error;
        });
        rows.push(...columns);
      }
      return toTables('sqlite', rows);
    },
    async close() {
      reader?.end('closed');
    },
  };
}

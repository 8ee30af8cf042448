/** A SQLite file, read in a thread that is ended when it takes too long. */
import { Worker } from 'node:worker_threads';
import { type Connector, DatasourceAway, PATIENCE, type Row } from '../../src/datasources/connector.ts';
import { type Statement, writePragmaQuery, writeRowQuery } from './sql.ts';

const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js',
  import.meta.url,
);

interface Answer {
  readonly id: number;
  readonly rows?: readonly Row[];
  readonly error?: string;
}

interface Waiting {
  resolve(rows: readonly Row[]): void;
  reject(error: DatasourceAway): void;
}

/** SQLite has booleans as numbers. */
function toParameter(value: Statement['values'][number]): string | number | null {
  return typeof value === 'boolean' ? Number(value) : value;
}

function openThread(path: string, onEnd: () => void) {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const worker = new Worker(WORKER, { workerData: { path }, stdout: true, stderr: true });
  worker.unref();
  const end = (reason: string): void => {
    onEnd();
    for (const { reject } of waiting.values()) reject(new DatasourceAway(reason));
    waiting.clear();
    worker.terminate();
  };
  worker.on('message', ({ id, rows, error }: Answer) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (rows) asked?.resolve(rows);
    else asked?.reject(new DatasourceAway(error ?? 'no answer'));
  });
  worker.on('error', (error) => end(error.message));
  return {
    end,
    ask({ text, values }: Statement): Promise<readonly Row[]> {
      last += 1;
      const id = last;
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => end(`no answer within ${PATIENCE} ms`), PATIENCE);
        waiting.set(id, {
          resolve(rows) {
            clearTimeout(late);
            resolve(rows);
          },
          reject(error) {
            clearTimeout(late);
            reject(error);
          },
        });
        worker.postMessage({ id, text, values: values.map(toParameter) });
      });
    },
  };
}

/** @param path of an existing file */
export function openSqlite(path: string): Connector {
  let thread: ReturnType<typeof openThread> | undefined;
  const ask = (statement: Statement): Promise<readonly Row[]> => {
    thread ??= openThread(path, () => {
      thread = undefined;
    });
    return thread.ask(statement);
  };
  return {
    findRows: (query) => ask(writeRowQuery('sqlite', [query.database, query.collection], query)),
    async findColumns(database, collection) {
      const rows = database === 'main' ? await ask(writePragmaQuery(collection)) : [];
      return rows.length === 0 ? undefined : new Set(rows.map(({ name }) => String(name)));
    },
    async close() {
      thread?.end('closed');
    },
  };
}

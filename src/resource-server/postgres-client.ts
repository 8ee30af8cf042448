/**
 * The client that a callback of `withToken` gets: of the pool's connection it can only send statements, one after the
 * other, and only while the callback runs.
 */

/** A statement as `pg` takes it. With a `name` it is prepared once a connection. */
export interface Statement {
  readonly text: string;
  readonly values?: unknown[];
  readonly name?: string;
}

/** Of the result of `pg` what is promised. */
export interface StatementResult<Row> {
  readonly rows: Row[];
  readonly rowCount: number | null;
  readonly command: string;
}

/** What is needed of a connection of a `pg` pool. */
export interface Connection {
  query(statement: string | Statement, values?: unknown[]): Promise<unknown>;
  /** With an error the pool closes the connection. */
  release(error?: Error): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
  /** Since `pg` 8.17; `I` outside a transaction. */
  getTransactionStatus?(): string | null;
}

export interface TokenClient {
  /** @throws what PostgreSQL says; Error once the transaction has ended */
  query<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: unknown[],
  ): Promise<StatementResult<Row>>;
}

/** What PostgreSQL says to statements after one that failed. */
export const IN_FAILED_TRANSACTION = '25P02';

export const endedByCallback = (cause?: unknown): Error =>
  new Error(
    'The callback of withToken ended its transaction or reset its settings. What it committed stays committed. ' +
      'Return to commit, throw to roll back, and use savepoints in between.',
    { cause },
  );

const hasEnded = (): Error =>
  new Error('The transaction of withToken has ended. Await each statement before the callback returns.');

/** @throws TypeError for callbacks, cursors and streams: they would go on where their end cannot be awaited */
function requirePlain(statement: unknown, values?: unknown, ...more: unknown[]): void {
  const { text, submit, callback } = (
    typeof statement === 'string' ? { text: statement } : (statement ?? {})
  ) as Readonly<Record<string, unknown>>;
  const isPlain = typeof text === 'string' && submit === undefined && callback === undefined;
  if (isPlain && (values === undefined || Array.isArray(values)) && more.length === 0) return;
  throw new TypeError(
    'query takes a text and values, or { text, values, name }, and returns a promise. ' +
      'Instead of a cursor or a stream of pg, use DECLARE and FETCH.',
  );
}

export function lendClient(connection: Connection) {
  let state: 'open' | 'finishing' | 'cancelled' = 'open';
  let last: Promise<unknown> = Promise.resolve();
  let failure: unknown;

  async function send(statement: string | Statement, values?: unknown[]): Promise<unknown> {
    if (state === 'cancelled') throw hasEnded();
    // What follows a COMMIT would run without the token.
    if (connection.getTransactionStatus?.() === 'I') throw endedByCallback();
    return connection.query(statement, values);
  }

  /** Without `async`: its promise would be another one, and a failure that the callback does not look at would end the process. */
  function query(...given: [statement: string | Statement, values?: unknown[]]): Promise<unknown> {
    try {
      requirePlain(...given);
      if (state !== 'open') throw hasEnded();
    } catch (error) {
      return Promise.reject(error);
    }
    const sent = last.then(() => send(...given));
    last = sent.catch((error) => {
      if (error.code !== IN_FAILED_TRANSACTION) failure = error;
    });
    return sent;
  }

  return {
    client: { query: query as TokenClient['query'] },
    /** Takes no further statements, and waits for those that it has taken; if cancelled, only for the one that is running. */
    async close(how: 'finishing' | 'cancelled'): Promise<void> {
      state = how;
      await last;
    },
    /** Why the transaction failed, if it did. */
    failure: (): unknown => failure,
  };
}

/**
 * The schema, step by step. `PRAGMA user_version` says which step a file is at, and opening it runs the others. A released
 * step is never changed or removed: a change of the schema is a further step. Grantable opens stores of every released
 * version. The first step is the schema of the first release; files from before it are refused.
 *
 * Rows of secrets are found by hashes in ordinary (rowid) tables: 1.5 times as fast to write as text keys or
 * `WITHOUT ROWID`, and a copy of the file contains no usable secret. Every index costs writes, so there is one for what is looked up
 * and one for what expires. Other look-ups use a number made of an id (`id-numbers.ts`).
 */
import type { DatabaseSync } from 'node:sqlite';
import { CannotOpenStore, NewerDatabase } from '../../../src/storage/contract.ts';
import { BESIDE_FACES, moveIntoSecrets } from '../../../src/storage/earlier-nouns.ts';
import { numberOf } from './id-numbers.ts';
import { addLists, fillLists } from './noun-keys.ts';
import { optionalText } from './statements.ts';

/** Versions up to this one were never released. */
const BEFORE_RELEASE = 4;

/** SQL, or more than SQL can say. A step that returns true has more to do, in a further transaction. */
type Step = string | ((connection: DatabaseSync) => unknown);

/** Rows of one transaction: other processes write in between. */
const AT_ONCE = 5_000;
const POSITION = 'migrated';

/**
 * A step of many transactions.
 * @param rewrite rewrites at most `AT_ONCE` rows after the position; returns the last of them, undefined without any
 */
function inBatches(rewrite: (connection: DatabaseSync, after: number) => number | undefined): Step {
  return (connection) => {
    const found = connection.prepare('SELECT value FROM sequences WHERE name = ?').get(POSITION);
    const last = rewrite(connection, Number(found?.value ?? 0));
    if (last === undefined) connection.prepare('DELETE FROM sequences WHERE name = ?').run(POSITION);
    else connection.prepare('INSERT OR REPLACE INTO sequences VALUES (?, ?)').run(POSITION, last);
    return last !== undefined;
  };
}

/** @param sql of the rows after a position, with their ids */
function fillNumbers(table: 'tokens' | 'logins', columns: readonly string[], sql: string): Step {
  return inBatches((connection, after) => {
    const update = connection.prepare(
      `UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE rowid = ?`,
    );
    const rows = connection.prepare(`${sql} ORDER BY position LIMIT ?`).all(after, AT_ONCE);
    for (const row of rows) {
      const ids = columns.map((column) => optionalText(row[column]));
      if (ids.some((id) => id !== undefined)) update.run(...ids.map(numberOf), row.position as number);
    }
    return rows.length === 0 ? undefined : Number(rows.at(-1)?.position);
  });
}

export const STEPS: readonly Step[] = [
  `
  CREATE TABLE artifacts (
    key BLOB PRIMARY KEY, model TEXT NOT NULL, payload TEXT NOT NULL,
    expires_at INTEGER NOT NULL, consumed_at INTEGER, uid BLOB);
  CREATE INDEX artifacts_uid ON artifacts (uid) WHERE uid IS NOT NULL;
  CREATE INDEX artifacts_expiry ON artifacts (expires_at);

  CREATE TABLE shared_documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, expires_at INTEGER NOT NULL,
    document TEXT NOT NULL);
  CREATE INDEX shared_documents_expiry ON shared_documents (expires_at);

  CREATE TABLE tokens (
    key BLOB PRIMARY KEY, expires_at INTEGER NOT NULL, shared INTEGER NOT NULL, application INTEGER NOT NULL,
    user INTEGER, connection INTEGER, parent INTEGER, document TEXT NOT NULL);
  CREATE INDEX tokens_expiry ON tokens (expires_at);
  CREATE INDEX tokens_application ON tokens (application);
  CREATE INDEX tokens_user ON tokens (user) WHERE user IS NOT NULL;
  CREATE INDEX tokens_parent ON tokens (parent) WHERE parent IS NOT NULL;
  CREATE INDEX tokens_connection ON tokens (connection, expires_at) WHERE connection IS NOT NULL;

  CREATE TABLE logins (
    id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, current BLOB NOT NULL, previous BLOB, rotated_at INTEGER,
    shared INTEGER NOT NULL, origin INTEGER, document TEXT NOT NULL);
  CREATE INDEX logins_expiry ON logins (expires_at);
  CREATE INDEX logins_origin ON logins (origin, expires_at) WHERE origin IS NOT NULL;

  CREATE TABLE nodes (
    id TEXT PRIMARY KEY, revoked_at INTEGER, restored_at INTEGER, narrowed_at INTEGER,
    expires_at INTEGER NOT NULL, change INTEGER NOT NULL UNIQUE, organization TEXT, resource TEXT);
  CREATE INDEX nodes_expiry ON nodes (expires_at);

  CREATE TABLE counters (key TEXT PRIMARY KEY, points INTEGER NOT NULL, expires_at INTEGER NOT NULL);
  CREATE INDEX counters_expiry ON counters (expires_at);

  CREATE TABLE audit (cursor INTEGER PRIMARY KEY AUTOINCREMENT, organization TEXT, entry TEXT NOT NULL);
  CREATE INDEX audit_organization ON audit (organization, cursor) WHERE organization IS NOT NULL;
  CREATE INDEX audit_age ON audit (entry ->> '$.at');

  CREATE TABLE keys (position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL);

  CREATE TABLE nouns (
    collection TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL,
    organization TEXT, document TEXT NOT NULL, UNIQUE (collection, id), UNIQUE (collection, number));
  CREATE INDEX nouns_organization ON nouns (collection, organization, number) WHERE organization IS NOT NULL;
  CREATE TABLE noun_keys (
    collection TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
    UNIQUE (collection, name, value));
  CREATE INDEX noun_keys_id ON noun_keys (collection, id);

  CREATE TABLE sequences (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
  INSERT INTO sequences VALUES ('node change', 0), ('key revision', 0), ('directory revision', 0);
  `,
  (connection) => {
    connection.exec(`
      CREATE TABLE noun_lists (
        collection TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (collection, name, value, number)) WITHOUT ROWID;
      CREATE INDEX noun_lists_number ON noun_lists (collection, number);
      CREATE TABLE directory_changes (
        revision INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, organization TEXT);
    `);
    fillLists(connection);
  },
  `
  UPDATE nouns SET document =
    json_remove(json_insert(document, '$.faces.${BESIDE_FACES}', document -> '$.${BESIDE_FACES}'), '$.${BESIDE_FACES}')
  WHERE collection = 'users' AND document -> '$.${BESIDE_FACES}' IS NOT NULL;
  `,
  fillLists,
  (connection) => {
    connection.function('with_secrets', (document) =>
      JSON.stringify(moveIntoSecrets(JSON.parse(String(document)))),
    );
    connection.exec("UPDATE nouns SET document = with_secrets(document) WHERE collection = 'applications'");
  },
  `
  ALTER TABLE audit ADD COLUMN at GENERATED ALWAYS AS (entry ->> '$.at') VIRTUAL;
  ALTER TABLE audit ADD COLUMN event GENERATED ALWAYS AS (entry ->> '$.event') VIRTUAL;
  ALTER TABLE audit ADD COLUMN outcome GENERATED ALWAYS AS (entry ->> '$.outcome') VIRTUAL;
  ALTER TABLE audit ADD COLUMN actor GENERATED ALWAYS AS (entry ->> '$.actor') VIRTUAL;
  ALTER TABLE audit ADD COLUMN subject GENERATED ALWAYS AS (entry ->> '$.subject') VIRTUAL;
  DROP INDEX audit_age;
  DROP INDEX audit_organization;
  CREATE INDEX audit_at ON audit (at);
  CREATE INDEX audit_organization ON audit (organization, at) WHERE organization IS NOT NULL;
  CREATE INDEX audit_actor ON audit (actor, at) WHERE actor IS NOT NULL;
  CREATE INDEX audit_subject ON audit (subject, at) WHERE subject IS NOT NULL;

  ALTER TABLE tokens ADD COLUMN login INTEGER;
  CREATE INDEX tokens_login ON tokens (login) WHERE login IS NOT NULL;
  ALTER TABLE logins ADD COLUMN application INTEGER;
  ALTER TABLE logins ADD COLUMN user INTEGER;
  CREATE INDEX logins_application ON logins (application) WHERE application IS NOT NULL;
  CREATE INDEX logins_user ON logins (user) WHERE user IS NOT NULL;
  `,
  fillNumbers(
    'tokens',
    ['login'],
    "SELECT rowid AS position, document ->> '$.login' AS login FROM tokens WHERE position > ?",
  ),
  fillNumbers(
    'logins',
    ['application', 'user'],
    `SELECT logins.rowid AS position, logins.document ->> '$.user' AS user,
       shared_documents.document ->> '$.application' AS application
     FROM logins LEFT JOIN shared_documents ON number = shared WHERE position > ?`,
  ),
  inBatches((connection, after) => addLists(connection, 'users', after, AT_ONCE)),
  `
  CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, webhook TEXT NOT NULL, subject TEXT NOT NULL,
    state TEXT NOT NULL, version INTEGER NOT NULL, next_at INTEGER, expires_at INTEGER, document TEXT NOT NULL);
  CREATE INDEX outbox_due ON outbox (webhook, next_at, position) WHERE next_at IS NOT NULL;
  CREATE INDEX outbox_subject ON outbox (webhook, subject, position) WHERE next_at IS NOT NULL;
  CREATE INDEX outbox_webhook ON outbox (webhook, position);
  CREATE INDEX outbox_state ON outbox (webhook, state, position);
  CREATE INDEX outbox_expiry ON outbox (expires_at) WHERE expires_at IS NOT NULL;
  `,
];

/**
 * Each step is a transaction, or several: an interruption leaves a file that the next start goes on with.
 * @param path for the message
 * @param steps other than `STEPS` in tests only
 * @throws CannotOpenStore, NewerDatabase before any change
 */
export function migrate(connection: DatabaseSync, path: string, steps = STEPS): void {
  const versionOf = () => Number(connection.prepare('PRAGMA user_version').get()?.user_version);
  const last = BEFORE_RELEASE + steps.length;
  const found = versionOf();
  if (found > last) {
    throw new NewerDatabase(
      `${path} was written by a newer version of Grantable (schema ${found}, known is ${last}).`,
    );
  }
  if (found > 0 && found <= BEFORE_RELEASE) {
    throw new CannotOpenStore(
      `${path} was written by a version of Grantable from before the first release (schema ${found}), which cannot be read: move the file away and start with an empty store.`,
    );
  }
  for (;;) {
    connection.exec('BEGIN IMMEDIATE');
    try {
      // Read again under the lock: another process may have been first.
      const taken = Math.max(0, versionOf() - BEFORE_RELEASE);
      const step = steps[taken];
      if (step !== undefined) {
        const hasMore = typeof step === 'string' ? connection.exec(step) : step(connection) === true;
        if (!hasMore) connection.exec(`PRAGMA user_version = ${BEFORE_RELEASE + taken + 1}`);
      }
      connection.exec('COMMIT');
      if (step === undefined) return;
    } catch (error) {
      if (connection.isTransaction) connection.exec('ROLLBACK');
      throw error;
    }
  }
}

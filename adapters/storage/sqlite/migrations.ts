/**
 * The schema, step by step. A step is never changed once released; `PRAGMA user_version` counts how many were taken.
 *
 * Rows of secrets are found by 16-byte hashes in ordinary (rowid) tables: half again as fast to write as text keys or
 * `WITHOUT ROWID`, and the file holds nothing usable. Every index costs writes, so there is one for what is looked up
 * and one for what expires.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE artifacts (
    key BLOB PRIMARY KEY, model TEXT NOT NULL, payload TEXT NOT NULL,
    expires_at INTEGER NOT NULL, consumed_at INTEGER, uid BLOB);
  CREATE INDEX artifacts_uid ON artifacts (uid) WHERE uid IS NOT NULL;
  CREATE INDEX artifacts_expiry ON artifacts (expires_at);

  CREATE TABLE tokens (key BLOB PRIMARY KEY, expires_at INTEGER NOT NULL, document TEXT NOT NULL);
  CREATE INDEX tokens_expiry ON tokens (expires_at);

  CREATE TABLE logins (
    id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, current BLOB NOT NULL, previous BLOB, rotated_at INTEGER,
    document TEXT NOT NULL);
  CREATE INDEX logins_expiry ON logins (expires_at);

  CREATE TABLE nodes (
    id TEXT PRIMARY KEY, revoked_at INTEGER, restored_at INTEGER, narrowed_at INTEGER,
    expires_at INTEGER NOT NULL, change INTEGER NOT NULL UNIQUE);
  CREATE INDEX nodes_expiry ON nodes (expires_at);

  CREATE TABLE counters (key TEXT PRIMARY KEY, points INTEGER NOT NULL, expires_at INTEGER NOT NULL);
  CREATE INDEX counters_expiry ON counters (expires_at);

  CREATE TABLE audit (cursor INTEGER PRIMARY KEY AUTOINCREMENT, organization TEXT, entry TEXT NOT NULL);
  CREATE INDEX audit_organization ON audit (organization, cursor) WHERE organization IS NOT NULL;

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
  `
  ALTER TABLE tokens ADD COLUMN connection TEXT;
  CREATE INDEX tokens_connection ON tokens (connection, expires_at) WHERE connection IS NOT NULL;
  ALTER TABLE nodes ADD COLUMN organization TEXT;
  ALTER TABLE nodes ADD COLUMN resource TEXT;
  `,
  `
  CREATE INDEX audit_age ON audit (entry ->> '$.at');
  `,
  `
  CREATE INDEX logins_origin ON logins (document ->> '$.origin', expires_at)
    WHERE document ->> '$.origin' IS NOT NULL;
  `,
];

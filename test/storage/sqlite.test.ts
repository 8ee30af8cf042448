import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { numberOf } from '../../adapters/storage/sqlite/id-numbers.ts';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { migrate, STEPS } from '../../adapters/storage/sqlite/migrations.ts';
import { DUE } from '../../adapters/storage/sqlite/outbox.ts';
import {
  CannotOpenStore,
  NewerDatabase,
  type Storage,
  StoreUnavailable,
} from '../../src/storage/contract.ts';
import { directoryContract } from '../contracts/directory.contract.ts';
import { type OpenStore, storageContract } from '../contracts/storage.contract.ts';
import { wholeLoginRow, wholeTokenRow } from '../contracts/whole-rows.ts';

const folder = await mkdtemp(join(tmpdir(), 'grantable-sqlite-'));
after(() => rm(folder, { recursive: true, force: true }));
const NOW = 1_800_000_000_000;
let files = 0;
const newPath = (): string => join(folder, `${files++}.db`);

async function openEmpty(): Promise<OpenStore> {
  const path = newPath();
  const opened: Storage[] = [await openSqliteStorage({ path })];
  return {
    storage: opened[0] as Storage,
    config: { kind: 'sqlite', path },
    async another() {
      const storage = await openSqliteStorage({ path });
      opened.push(storage);
      return storage;
    },
    async close() {
      for (const storage of opened) await storage.close();
    },
  };
}

storageContract('SQLite', openEmpty);
directoryContract('SQLite', openEmpty, 10);

test('more nodes are read at once than a statement may have variables', async () => {
  const storage = await openSqliteStorage({ path: newPath() });
  const ids = Array.from({ length: 40_000 }, (_, index) => `many-${index}`);
  await storage.nodes.mark('many-39999', { revokedAt: 1 }, NOW);
  assert.deepEqual(
    (await storage.nodes.read(ids)).map(({ id }) => id),
    ['many-39999'],
  );
  await storage.close();
});

test('a write that fails leaves its neighbours of the same transaction standing', async () => {
  const storage = await openSqliteStorage({ path: newPath() });
  const org = { enabled: true, createdAt: 0, default: false, hosts: [] };
  const results = await Promise.allSettled([
    storage.directory.organizations.insert({ ...org, id: '1', name: 'a' }),
    storage.directory.organizations.insert({ ...org, id: '2', name: 'a' }),
    storage.directory.organizations.insert({ ...org, id: '3', name: 'b' }),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(await storage.directory.organizations.get('2'), undefined);
  assert.equal((await storage.directory.organizations.page({ limit: 9 })).items.length, 2);
  await storage.close();
});

test('reads of a snapshot see one moment, and its writes commit after it', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const read = async () => (await storage.nodes.read(['a', 'b'])).map(({ id }) => id);
  storage.snapshot?.begin();
  assert.deepEqual(await read(), []);
  const written = storage.nodes.mark('b', { revokedAt: NOW }, NOW + 1);
  const other = new DatabaseSync(path);
  other.exec("INSERT INTO nodes (id, revoked_at, expires_at, change) VALUES ('a', 1, 2, -1)");
  assert.deepEqual(await read(), []);
  storage.snapshot?.end();
  assert.deepEqual(await read(), ['a']);
  await written;
  assert.deepEqual(await read(), ['a', 'b']);
  other.close();
  await storage.close();
});

test('a snapshot that is left open holds up neither commits nor the next one', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const read = async () => (await storage.nodes.read(['a', 'b'])).map(({ id }) => id);
  storage.snapshot?.begin();
  assert.deepEqual(await read(), []);
  await storage.nodes.mark('a', { revokedAt: NOW }, NOW + 1);
  assert.deepEqual(await read(), ['a']);
  storage.snapshot?.begin();
  const other = new DatabaseSync(path);
  assert.deepEqual(await read(), ['a']);
  other.exec("INSERT INTO nodes (id, revoked_at, expires_at, change) VALUES ('b', 1, 2, 9)");
  assert.deepEqual(await read(), ['a']);
  storage.snapshot?.begin();
  assert.deepEqual(await read(), ['a', 'b']);
  storage.snapshot?.end();
  storage.snapshot?.end();
  other.close();
  await storage.close();
});

test('nothing is written to a file that was removed or replaced, until it is back', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const later = Date.now() + 60_000;
  await rename(path, `${path}.away`);
  for (const what of [/was removed/, /was replaced/]) {
    await assert.rejects(storage.ping(), what);
    await assert.rejects(storage.nodes.mark('n', { revokedAt: 1 }, later), StoreUnavailable);
    await writeFile(path, '');
  }
  await rename(`${path}.away`, path);
  await storage.ping();
  await storage.nodes.mark('n', { revokedAt: 1 }, later);
  await storage.close();
});

test('a log that was removed or replaced is not written to, and loses no answer', async () => {
  const path = newPath();
  const later = Date.now() + 60_000;
  const storage = await openSqliteStorage({ path });
  await storage.nodes.mark('before', { revokedAt: 1 }, later);
  await rm(`${path}-wal`);
  for (const what of [/log of the database was removed/, /log of the database was replaced/]) {
    await assert.rejects(storage.nodes.mark('after', { revokedAt: 1 }, later), what);
    await writeFile(`${path}-wal`, '');
  }
  await storage.close();
  const again = await openSqliteStorage({ path });
  assert.deepEqual(
    (await again.nodes.read(['before', 'after'])).map(({ id }) => id),
    ['before'],
  );
  await again.nodes.mark('after', { revokedAt: 1 }, later);
  await again.close();
});

test('SE-01 the file can be read by its owner only, and a copy of it too', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const copy = newPath();
  await storage.backup(copy);
  for (const file of [path, copy]) assert.equal((await stat(file)).mode & 0o777, 0o600);
  await assert.rejects(storage.backup(copy), /exists already/);
  await storage.close();
});

test('a copy of a store in use is whole and holds every answered write', async () => {
  const storage = await openSqliteStorage({ path: newPath() });
  await storage.nodes.mark('before', { revokedAt: 1 }, 2);
  const writing = Promise.all(
    Array.from({ length: 200 }, (_, index) => storage.nodes.mark(`n${index}`, { revokedAt: 1 }, 2)),
  );
  const copy = newPath();
  await storage.backup(copy);
  await writing;
  const copied = await openSqliteStorage({ path: copy });
  assert.deepEqual(await copied.verify(), []);
  assert.equal((await copied.nodes.read(['before'])).length, 1);
  await copied.close();
  await storage.close();
});

test('many may open a new file at once', async () => {
  const path = newPath();
  const stores = await Promise.all(Array.from({ length: 8 }, () => openSqliteStorage({ path })));
  await Promise.all(stores.map((storage, index) => storage.nodes.mark(`n${index}`, { revokedAt: 1 }, 2)));
  assert.equal((await (stores[0] as Storage).nodes.changesSince(0, 99)).records.length, 8);
  for (const storage of stores) await storage.close();
});

test('a database of a newer version is refused in a sentence and left as it is', async () => {
  const path = newPath();
  await (await openSqliteStorage({ path })).close();
  const raw = new DatabaseSync(path);
  raw.exec('PRAGMA user_version = 999');
  raw.close();
  await assert.rejects(openSqliteStorage({ path }), NewerDatabase);
});

test('a database from before the first release is refused in a sentence', async () => {
  const path = newPath();
  const raw = new DatabaseSync(path);
  raw.exec('CREATE TABLE tokens (key BLOB PRIMARY KEY); PRAGMA user_version = 4');
  await assert.rejects(openSqliteStorage({ path }), (error) => {
    assert.ok(error instanceof CannotOpenStore);
    assert.match(error.message, /before the first release \(schema 4\).*start with an empty store\.$/);
    return true;
  });
  assert.equal(raw.prepare('PRAGMA user_version').get()?.user_version, 4);
  raw.close();
});

test('a file of an earlier release takes each step that it lacks, whole', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  await storage.nodes.mark('kept', { revokedAt: 1 }, 2);
  await storage.close();
  const raw = new DatabaseSync(path);
  const versionOf = () => Number(raw.prepare('PRAGMA user_version').get()?.user_version);
  const before = versionOf();
  const next = 'ALTER TABLE nodes ADD COLUMN note TEXT';
  const broken = 'CREATE TABLE half (a); SELECT a FROM nowhere';
  assert.throws(() => migrate(raw, path, [...STEPS, next, broken]), /nowhere/);
  assert.equal(versionOf(), before + 1);
  assert.deepEqual({ ...raw.prepare('SELECT id, note FROM nodes').get() }, { id: 'kept', note: null });
  assert.throws(() => raw.prepare('SELECT * FROM half'));
  migrate(raw, path, [...STEPS, next, 'CREATE TABLE whole (a)']);
  assert.equal(versionOf(), before + 2);
  raw.prepare('SELECT * FROM whole').all();
  raw.close();
});

test('E9 a file that is not a database is refused in one sentence', async () => {
  const path = newPath();
  await writeFile(path, randomBytes(8_192));
  await assert.rejects(openSqliteStorage({ path }), CannotOpenStore);
  await assert.rejects(openSqliteStorage({ path: join(path, 'below', 'a.db') }), CannotOpenStore);
});

test('nouns that an earlier version wrote are listed after the migration', async () => {
  const path = newPath();
  const noun = {
    id: randomUUID(),
    enabled: true,
    createdAt: 1,
    name: 'a',
    default: true,
    hosts: ['a.example'],
  };
  const raw = new DatabaseSync(path);
  migrate(raw, path, STEPS.slice(0, 1));
  raw
    .prepare("INSERT INTO nouns VALUES ('organizations', ?, 1, 1, NULL, ?)")
    .run(noun.id, JSON.stringify({ ...noun, number: 1, version: 1 }));
  raw.exec("INSERT INTO sequences VALUES ('number of organizations', 1)");
  raw.close();
  const later = await openSqliteStorage({ path });
  assert.deepEqual(await later.directory.organizations.listedValues('host'), ['', 'a.example']);
  const { cursor } = await later.directory.changesSince();
  await later.directory.organizations.insert({ ...noun, id: randomUUID(), name: 'b', default: false });
  assert.equal((await later.directory.changesSince(cursor)).changes?.length, 1);
  await later.close();
});

test('a log that was cut names no changes', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const noun = { id: randomUUID(), enabled: true, createdAt: 1, name: 'a', default: false, hosts: [] };
  const { cursor } = await storage.directory.changesSince();
  const organization = await storage.directory.organizations.insert(noun);
  await storage.directory.organizations.replace(organization);
  assert.equal((await storage.directory.changesSince(cursor)).changes?.length, 2);
  const raw = new DatabaseSync(path);
  raw.exec('DELETE FROM directory_changes WHERE revision = 1');
  raw.close();
  assert.equal((await storage.directory.changesSince(cursor)).changes, undefined);
  assert.equal((await storage.directory.changesSince('1')).changes?.length, 1);
  await storage.close();
});

test('migrations can be run again over what they made', async () => {
  const path = newPath();
  const first = await openSqliteStorage({ path });
  await first.nodes.mark('n', { revokedAt: 1 }, 2);
  await first.close();
  const second = await openSqliteStorage({ path });
  assert.equal((await second.nodes.read(['n'])).length, 1);
  await second.close();
});

test('rows that agree share one document, removed when the last has expired', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const raw = new DatabaseSync(path);
  const countShared = () =>
    Number(raw.prepare('SELECT count(*) AS count FROM shared_documents').get()?.count);
  const expiresAt = NOW + 3_600_000;
  const row = { ...wholeTokenRow('t', NOW), expiresAt };
  for (let made = 0; made < 3; made += 1) {
    const id = randomUUID();
    await storage.tokens.insert(randomBytes(22), {
      ...row,
      id,
      parent: id,
      requestId: id,
      issuedAt: NOW + made,
    });
  }
  assert.equal(countShared(), 1);
  await storage.tokens.insert(randomBytes(22), { ...row, scope: 'other' });
  assert.equal(countShared(), 2);
  const last = { ...wholeLoginRow('l', NOW + 1_000), expiresAt: expiresAt + 1_000 };
  await storage.logins.insert(last);
  assert.equal(await storage.sweep(expiresAt, 100), 4);
  assert.equal(countShared(), 3, 'kept for rows to come');
  while ((await storage.sweep(expiresAt + 24 * 3_600_000, 1)) > 0);
  assert.equal(countShared(), 0);
  raw.close();
  await storage.close();
});

test('a row that cannot be written leaves no shared document behind', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const [key, row] = [randomBytes(22), wholeTokenRow('t', NOW)];
  const other = { ...row, scope: 'other' };
  await storage.tokens.insert(key, row);
  await assert.rejects(storage.tokens.insert(key, other));
  const raw = new DatabaseSync(path);
  assert.equal(raw.prepare('SELECT count(*) AS count FROM shared_documents').get()?.count, 1);
  raw.close();
  const id = randomBytes(22);
  await storage.tokens.insert(id, other);
  assert.deepEqual(await storage.tokens.find(id, NOW), other);
  assert.deepEqual(await storage.verify(), []);
  await storage.close();
});

test('a lost shared document is found by verify, and its rows are not read', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const id = randomBytes(22);
  await storage.tokens.insert(id, wholeTokenRow('t', NOW));
  const raw = new DatabaseSync(path);
  raw.exec('DELETE FROM shared_documents');
  raw.close();
  await assert.rejects(storage.tokens.find(id, NOW), /lost its shared document/);
  await assert.rejects(Array.fromAsync(storage.dump.export()), /lost its shared document/);
  assert.deepEqual(await storage.verify(), ['1 rows of the table tokens have lost their shared document']);
  await storage.close();
});

test('counting many rows lets other work go on in between', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const raw = new DatabaseSync(path);
  raw
    .prepare(
      `WITH RECURSIVE row (number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM row WHERE number < 25000)
       INSERT INTO tokens (key, expires_at, shared, application, connection, document)
         SELECT number, 1000 + number / 7, 1, 1, ?, '{}' FROM row`,
    )
    .run(numberOf('c'));
  raw.close();
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  assert.equal(await storage.tokens.countOf('c', 999, 100_000), 25_000);
  clearImmediate(next);
  assert.ok(turns >= 2, `${turns} turns`);
  assert.equal(await storage.tokens.countOf('c', 999, 24_999), 24_999);
  assert.equal(await storage.tokens.countOf('c', 1_001, 100_000), 25_000 - 13);
  await storage.close();
});

test('events of webhooks that are left out are not read', async () => {
  const path = newPath();
  await (await openSqliteStorage({ path })).close();
  const raw = new DatabaseSync(path);
  const plan = raw.prepare(`EXPLAIN QUERY PLAN ${DUE}`).all();
  const steps = plan.map(({ detail }) => String(detail));
  raw.close();
  const reads = steps.filter((step) => step.includes('outbox'));
  assert.deepEqual(
    reads.filter((step) => !step.startsWith('SEARCH')),
    [],
  );
  assert.ok(
    reads.some((step) => step.endsWith('outbox_due (webhook=? AND next_at<?)')),
    steps.join('; '),
  );
});

test('every hot query uses an index', async () => {
  const path = newPath();
  await (await openSqliteStorage({ path })).close();
  const raw = new DatabaseSync(path);
  const queries = [
    'SELECT expires_at, shared, document FROM tokens WHERE key = ? AND expires_at > ?',
    'SELECT document FROM shared_documents WHERE number = ?',
    ...['application', 'user', 'parent'].map(
      (by) =>
        `SELECT document FROM tokens WHERE ${by} = ? AND rowid < ? AND expires_at > ? ORDER BY rowid DESC LIMIT ?`,
    ),
    'SELECT * FROM artifacts WHERE key = ? AND model = ? AND expires_at > ?',
    'SELECT * FROM artifacts WHERE uid = ? AND model = ? AND expires_at > ?',
    'SELECT * FROM logins WHERE id = ? AND expires_at > ?',
    'SELECT * FROM nodes WHERE id IN (?, ?, ?)',
    'SELECT * FROM nodes WHERE change > ? ORDER BY change LIMIT ?',
    'SELECT document FROM nouns WHERE collection = ? AND id = ?',
    'SELECT 1 FROM noun_keys WHERE collection = ? AND name = ? AND value = ?',
    'SELECT number, document FROM nouns WHERE collection = ? AND organization = ? AND number > ? ORDER BY number LIMIT ?',
    "SELECT value FROM sequences WHERE name = 'directory revision'",
    ...['tokens', 'artifacts', 'logins', 'counters', 'nodes', 'shared_documents'].map(
      (table) => `SELECT rowid FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`,
    ),
    ...['tokens WHERE tokens.connection', 'logins WHERE logins.origin'].map(
      (rows) =>
        `SELECT rowid FROM ${rows} = ? AND (expires_at, rowid) > (?, ?) ORDER BY expires_at, rowid LIMIT 1 OFFSET ?`,
    ),
    "SELECT value FROM sequences WHERE name = 'node change'",
  ];
  for (const sql of queries) {
    const plan = raw
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => String(detail))
      .join('; ');
    assert.match(plan, /SEARCH/, `${sql}: ${plan}`);
    assert.doesNotMatch(plan, /SCAN|TEMP B-TREE/, `${sql}: ${plan}`);
  }
  raw.close();
});

/** Stores as earlier versions left them, written as raw rows and documents, are opened by this one. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, type TestContext, test } from 'node:test';
import mongoose, { type Connection } from 'mongoose';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { migrate as migrateFile, STEPS } from '../../adapters/storage/sqlite/migrations.ts';
import { loginKey } from '../../src/nouns/index.ts';
import type { LoginRow, Storage } from '../../src/storage/contract.ts';
import { encodeLogin, encodeToken, hashShared, type RowDocuments } from '../../src/storage/row-documents.ts';
import { wholeLoginRow, wholeTokenRow } from '../contracts/whole-rows.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';

const LIMITS = { actions: ['GetDevice'], networks: ['4'], deviceTypes: ['ä'] };
const NEWER_LIMITS = { networks: ['5'] };
const FACES = {
  devicehive: {
    enabled: true,
    registration: false,
    application: randomUUID(),
    plugins: [{ topic: 't', creator: 'ann' }],
  },
  sunbreak: { enabled: false, registration: true, ttl: 60 },
};
const ORGANIZATION = randomUUID();

const noun = (id: string, number: number) => ({ id, number, version: 3, enabled: true, createdAt: 1 });
const organization = {
  ...noun(ORGANIZATION, 1),
  name: 'acme',
  default: true,
  hosts: ['acme.example'],
  faces: FACES,
};
const plain = { ...noun(randomUUID(), 2), name: 'plain', default: false, hosts: [] };

const user = (username: string, number: number, rest: object) => ({
  ...noun(randomUUID(), number),
  realm: `organization:${ORGANIZATION}`,
  organization: ORGANIZATION,
  username,
  canonicalUsername: username,
  emailVerified: false,
  secondFactor: false,
  roles: [],
  administers: [ORGANIZATION],
  ...rest,
});
/** By their names, what each must have after the migration. */
const users = {
  ann: user('ann', 1, { devicehive: LIMITS }),
  bob: user('bob', 2, {}),
  cid: user('cid', 3, { faces: { devicehive: NEWER_LIMITS } }),
  dan: user('dan', 4, { devicehive: LIMITS, faces: { devicehive: NEWER_LIMITS } }),
  eve: user('eve', 5, { devicehive: LIMITS, faces: { other: {} } }),
};
const expected = {
  ann: { devicehive: LIMITS },
  bob: undefined,
  cid: { devicehive: NEWER_LIMITS },
  dan: { devicehive: NEWER_LIMITS },
  eve: { other: {}, devicehive: LIMITS },
};

/** What every application had before it had several secrets. */
const earlierApplication = (name: string, number: number, rest: object) => ({
  ...noun(randomUUID(), number),
  organization: ORGANIZATION,
  name,
  clientId: name,
  realm: `organization:${ORGANIZATION}`,
  grants: ['client_credentials'],
  scopes: [],
  redirectUris: [],
  postLogoutRedirectUris: [],
  allowedOrigins: [],
  native: false,
  ceilings: [],
  introspects: [],
  mayExchange: [],
  ...rest,
});
const basic = { authMethod: 'client_secret_basic', secretHash: 'hmac-sha256$k$chosen' };
const applications = {
  chosen: earlierApplication('chosen', 1, basic),
  derived: earlierApplication('derived', 2, { ...basic, secretSeed: 'seed' }),
  open: earlierApplication('open', 3, { authMethod: 'none' }),
};
const secret = { name: 'default', hash: basic.secretHash, createdAt: 1 };
/** The node above what was made with it has the name `credentials:` and the id of the application. */
const expectedSecrets = {
  chosen: [{ ...secret, id: applications.chosen.id }],
  derived: [{ ...secret, id: applications.derived.id, seed: 'seed' }],
  open: [],
};

async function assertSecretsMoved({ directory }: Storage): Promise<void> {
  const { items } = await directory.applications.page({ limit: 10 });
  assert.deepEqual(Object.fromEntries(items.map(({ name, secrets }) => [name, secrets])), expectedSecrets);
  for (const each of items) {
    assert.ok(!('secretHash' in each) && !('secretSeed' in each), each.name);
    assert.equal(each.version, 3);
    assert.deepEqual(await directory.applications.replace(each), { ...each, version: 4 });
  }
}

const EXPIRES_AT = 1_800_000_000_000;
const { parent: _, ...TOKEN } = { ...wholeTokenRow('t', EXPIRES_AT - 60_000), ancestors: [] };
const {
  previous: __,
  rotatedAt: ___,
  ...LOGIN
} = {
  ...wholeLoginRow('l', EXPIRES_AT - 60_000),
  ancestors: [],
};

async function assertMoved({ directory }: Storage): Promise<void> {
  const { items } = await directory.users.page({ limit: 10 });
  assert.deepEqual(Object.fromEntries(items.map(({ username, faces }) => [username, faces])), expected);
  for (const each of items) {
    assert.ok(!('devicehive' in each), each.username);
    assert.equal(each.version, 3);
    // A replacement writes the whole noun.
    await directory.users.replace(each);
  }
  assert.deepEqual((await directory.organizations.get(ORGANIZATION))?.faces, FACES);
  assert.equal((await directory.organizations.get(plain.id))?.faces, undefined);
  const { organizations } = directory;
  assert.deepEqual(await organizations.listedValues('face'), ['devicehive']);
  assert.deepEqual(await organizations.listedValues('host'), ['', 'acme.example']);
  assert.deepEqual(await directory.users.listedValues('administers'), [ORGANIZATION]);
}

describe('SQLite', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grantable-migrations-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** @param version of the schema */
  function makeEarlier(version: number): { path: string; raw: DatabaseSync } {
    const path = join(folder, `${randomUUID()}.db`);
    const raw = new DatabaseSync(path);
    migrateFile(raw, path, STEPS.slice(0, version - 4));
    return { path, raw };
  }

  function writeEarlier(version: 5 | 6 | 8): string {
    const { path, raw } = makeEarlier(version);
    const insert = raw.prepare('INSERT INTO nouns VALUES (?, ?, ?, ?, ?, ?)');
    for (const [collection, nouns] of Object.entries({
      organizations: [organization, plain],
      users: Object.values(users),
      applications: Object.values(applications),
    })) {
      for (const each of nouns) {
        const { id, number } = each;
        const of = collection === 'organizations' ? null : ORGANIZATION;
        insert.run(collection, id, number, each.version, of, JSON.stringify(each));
      }
    }
    if (version > 5) {
      raw.exec(
        `INSERT INTO noun_lists VALUES ('organizations', 'face', 'devicehive', 1), ('organizations', 'host', '', 1),
           ('organizations', 'host', 'acme.example', 1);
         INSERT INTO noun_lists SELECT 'users', 'administers', organization, number FROM nouns WHERE collection = 'users'`,
      );
    }
    raw.close();
    return path;
  }

  for (const version of [5, 6] as const) {
    test(`device rights of users survive the migration from schema ${version}`, async () => {
      const storage = await openSqliteStorage({ path: writeEarlier(version) });
      await assertMoved(storage);
      await storage.close();
    });
  }

  test('the secret of an application survives the migration from schema 8', async () => {
    const path = writeEarlier(8);
    const storage = await openSqliteStorage({ path });
    await assertSecretsMoved(storage);
    await storage.close();
  });

  /** More than one transaction rewrites. */
  const MANY = 5_050;

  function writeMany(): string {
    const { path, raw } = makeEarlier(8);
    const counting = `WITH RECURSIVE rows (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows WHERE n < ${MANY})`;
    const put = (sql: string, ...values: (string | Uint8Array | number)[]) => raw.prepare(sql).run(...values);
    const share = (number: number, { shared }: RowDocuments) =>
      put('INSERT INTO shared_documents VALUES (?, ?, ?, ?)', number, hashShared(shared), EXPIRES_AT, shared);
    const [token, login] = [encodeToken(TOKEN), encodeLogin(LOGIN)];
    share(1, token);
    share(2, login);
    put(
      `${counting} INSERT INTO tokens (key, expires_at, shared, application, user, document)
       SELECT randomblob(16), ?, 1, 1, 1, json_set(?, '$.login', 'l' || n) FROM rows`,
      EXPIRES_AT,
      token.own,
    );
    put(
      `${counting} INSERT INTO logins (id, expires_at, current, shared, document)
       SELECT 'l' || n, ?, ?, 2, json_set(?, '$.user', 'u' || n, '$.id', 'l' || n) FROM rows`,
      EXPIRES_AT,
      LOGIN.current,
      login.own,
    );
    put(
      `${counting} INSERT INTO nouns
       SELECT 'users', 'id' || n, n, 3, ?, json_set(?, '$.id', 'id' || n, '$.number', n, '$.canonicalUsername', 'u' || n)
       FROM rows`,
      ORGANIZATION,
      JSON.stringify(users.bob),
    );
    put(
      `${counting} INSERT INTO audit (organization, entry)
       SELECT 'o', json_object('at', n, 'event', 'e', 'outcome', 'denied', 'subject', 's' || n) FROM rows`,
    );
    raw.close();
    return path;
  }

  async function assertFound({ tokens, logins, directory, audit }: Storage): Promise<void> {
    for (const n of [1, MANY / 2, MANY]) {
      const ofLogin = await tokens.page({ by: 'login', id: `l${n}`, now: 1, limit: 2 });
      assert.deepEqual(ofLogin.items, [{ ...TOKEN, login: `l${n}` }]);
      const ofUser = await logins.page({ by: 'user', id: `u${n}`, now: 1, limit: 2 });
      assert.deepEqual(
        ofUser.items.map(({ id }) => id),
        [`l${n}`],
      );
      const listed = { key: 'login', value: loginKey(ORGANIZATION, `u${n}`) } as const;
      const { items } = await directory.users.page({ limit: 2, listed });
      assert.deepEqual(
        items.map(({ number }) => number),
        [n],
      );
      assert.equal((await audit.page({ subject: `s${n}`, limit: 2 })).entries[0]?.at, n);
    }
    const ofApplication = await logins.page({
      by: 'application',
      id: LOGIN.application,
      now: 1,
      limit: MANY + 1,
    });
    assert.equal(ofApplication.items.length, MANY);
    const { count } = await directory.users.count(
      { listed: { key: 'administers', value: ORGANIZATION } },
      MANY + 1,
    );
    assert.equal(count, MANY);
  }

  test('tokens, logins, users and entries of schema 8 are found by all their keys', async () => {
    const path = writeMany();
    const [one, other] = await Promise.all([openSqliteStorage({ path }), openSqliteStorage({ path })]);
    await assertFound(one);
    await Promise.all([one.close(), other.close()]);
  });

  test('a migration of many rows that stopped half-way goes on at the next start', async () => {
    const path = writeMany();
    const raw = new DatabaseSync(path);
    let batches = 0;
    const stopping = STEPS.map((step) =>
      typeof step === 'string'
        ? step
        : (connection: DatabaseSync) => {
            batches += 1;
            if (batches % 2 === 0) throw new Error('stopped');
            return step(connection);
          },
    );
    let stops = 0;
    for (;;) {
      try {
        migrateFile(raw, path, stopping);
        break;
      } catch (error) {
        assert.match(String(error), /stopped/);
        stops += 1;
      }
    }
    raw.close();
    assert.ok(stops >= 6, String(stops));
    const storage = await openSqliteStorage({ path });
    await assertFound(storage);
    await storage.close();
  });
});

describe('MongoDB', { skip: mongoMissing() }, () => {
  let server: MongoServer;
  before(async () => {
    server = await startMongo();
  });
  after(() => server[Symbol.asyncDispose]());

  const open = async (t: TestContext, url: string): Promise<Storage> => {
    const storage = await openMongooseStorage({ url });
    t.after(() => storage.close());
    return storage;
  };

  const setHead = (connection: Connection, _id: string, value: number) =>
    connection.collection<{ _id: string }>('heads').updateOne({ _id }, { $set: { value } });

  const toUserDocument = ({ id, ...user }: (typeof users)[keyof typeof users]) => ({
    ...user,
    ...('faces' in user && { faces: JSON.stringify(user.faces) }),
    _id: id,
    unique: { username: `${user.realm}/${user.username}` },
  });

  /** Schema 6 has no lists. */
  async function writeEarlier(
    t: TestContext,
    version: 6 | 7,
  ): Promise<{ url: string; connection: Connection }> {
    const url = server.newUrl();
    await open(t, url);
    const connection = await mongoose.createConnection(url).asPromise();
    t.after(() => connection.close());
    await connection
      .collection<{ _id: string }>('heads')
      .insertOne({ _id: 'directory revision', value: 4, pending: [] } as { _id: string });
    const listing = (listed: object) => version === 7 && { listed };
    const organizations = [
      { ...organization, ...listing({ face: ['devicehive'], host: ['', 'acme.example'] }) },
      plain,
    ];
    for (const { id: _id, ...rest } of organizations) {
      const document = { ...rest, _id, unique: { name: rest.name } };
      await connection.collection<{ _id: string }>('organizations').insertOne(document);
    }
    for (const each of Object.values(users)) {
      const document = { ...toUserDocument(each), ...listing({ administers: [ORGANIZATION] }) };
      await connection.collection<{ _id: string }>('users').insertOne(document);
    }
    await setHead(connection, 'schema', version);
    return { url, connection };
  }

  for (const version of [6, 7] as const) {
    test(`settings of faces and device rights survive the migration from schema ${version}`, async (t) => {
      const { url } = await writeEarlier(t, version);
      await assertMoved(await open(t, url));
    });
  }

  async function writeEarlierApplications(connection: Connection): Promise<void> {
    for (const { id: _id, ...rest } of Object.values(applications)) {
      const unique = { clientId: rest.clientId, name: `${rest.organization}/${rest.name}` };
      const documents = connection.collection<{ _id: string }>('applications');
      await documents.replaceOne({ _id }, { ...rest, unique }, { upsert: true });
    }
    await setHead(connection, 'schema', 9);
  }

  test('the secret of an application survives the migration from schema 9', async (t) => {
    const { url, connection } = await writeEarlier(t, 7);
    await writeEarlierApplications(connection);
    const stores = await Promise.all([open(t, url), open(t, url)]);
    await assertSecretsMoved(stores[0]);
    // As if it had stopped half-way.
    const { id: _id, ...rest } = applications.chosen;
    const { clientId, name } = rest;
    await connection
      .collection<{ _id: string }>('applications')
      .replaceOne({ _id }, { ...rest, unique: { clientId, name: `${rest.organization}/${name}` } });
    await setHead(connection, 'schema', 9);
    const { directory } = await open(t, url);
    assert.deepEqual((await directory.applications.get(_id))?.secrets, expectedSecrets.chosen);
  });

  test('processes that start at once migrate together', async (t) => {
    const { url } = await writeEarlier(t, 6);
    const [first] = await Promise.all([open(t, url), open(t, url), open(t, url)]);
    await assertMoved(first);
  });

  test('a migration that stopped half-way goes on at the next start', async (t) => {
    const { url, connection } = await writeEarlier(t, 6);
    await open(t, url);
    await connection
      .collection<{ _id: string }>('users')
      .replaceOne({ _id: users.ann.id }, toUserDocument(users.ann));
    await setHead(connection, 'schema', 6);
    await assertMoved(await open(t, url));
  });

  test('tokens, logins, users and entries of schema 9 are found by all their keys', async (t) => {
    const url = server.newUrl();
    await open(t, url);
    const connection = await mongoose.createConnection(url).asPromise();
    t.after(() => connection.close());
    const collection = (name: string) => connection.collection<{ _id: unknown }>(name);
    const documents: [typeof TOKEN | LoginRow, RowDocuments][] = [
      [TOKEN, encodeToken(TOKEN)],
      [LOGIN, encodeLogin(LOGIN)],
    ];
    for (const [row, { own, shared }] of documents) {
      const expiresAt = new Date(EXPIRES_AT);
      const isLogin = 'current' in row;
      const reference = hashShared(shared);
      await collection('shared').insertOne({ _id: reference, document: shared, expiresAt } as never);
      const rest = isLogin ? { current: row.current } : { application: row.application };
      const _id = isLogin ? row.id : Buffer.alloc(22, 1);
      const document = { _id, shared: reference, document: own, expiresAt, ...rest };
      await collection(isLogin ? 'logins' : 'tokens').insertOne(document as never);
    }
    await collection('users').insertOne({
      ...toUserDocument(users.bob),
      listed: { administers: ['x'] },
    } as never);
    await collection('audit').insertOne({ at: 5, event: 'e', outcome: 'denied', subject: 's' } as never);
    for (const name of ['organization.at', 'actor.at', 'subject.at'])
      await collection('audit').dropIndex(name);
    await collection('audit').createIndex({ organization: 1, _id: -1 }, { name: 'organization' });
    await collection('audit').createIndex({ at: 1 }, { name: 'age' });
    await setHead(connection, 'schema', 9);
    const { tokens, logins, directory, audit, verify } = await open(t, url);
    const { login } = TOKEN;
    assert.deepEqual((await tokens.page({ by: 'login', id: login, now: 1, limit: 2 })).items, [TOKEN]);
    for (const by of ['user', 'application'] as const) {
      const { items } = await logins.page({ by, id: LOGIN[by], now: 1, limit: 2 });
      assert.deepEqual(items, [LOGIN], by);
    }
    const listed = { key: 'login', value: loginKey(ORGANIZATION, 'bob') } as const;
    assert.equal((await directory.users.page({ limit: 2, listed })).items[0]?.id, users.bob.id);
    assert.equal((await audit.page({ subject: 's', limit: 2 })).entries[0]?.at, 5);
    assert.deepEqual(await verify(), []);
    const indexes = await collection('audit').indexes();
    assert.deepEqual(indexes.map(({ name }) => name).sort(), [
      '_id_',
      'actor.at',
      'at',
      'organization.at',
      'subject.at',
    ]);
  });

  test('other processes see that organizations were rewritten', async (t) => {
    const { url } = await writeEarlier(t, 6);
    const { directory } = await open(t, url);
    assert.ok((await directory.revision()) > 4);
  });
});

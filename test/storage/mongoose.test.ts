import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import mongoose from 'mongoose';
import { createHeads } from '../../adapters/storage/mongoose/heads.ts';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import { INDEXES, migrate, STEPS, type Step } from '../../adapters/storage/mongoose/migrations.ts';
import { createModels } from '../../adapters/storage/mongoose/schemas.ts';
import { COLLECTIONS, declarationOf, type ListedKey } from '../../src/nouns/index.ts';
import { CannotOpenStore, NewerDatabase, type Storage } from '../../src/storage/contract.ts';
import { directoryContract } from '../contracts/directory.contract.ts';
import { type OpenStore, storageContract } from '../contracts/storage.contract.ts';
import { wholeTokenRow } from '../contracts/whole-rows.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';

const NOW = 1_800_000_000_000;

describe('MongoDB', { skip: mongoMissing() }, () => {
  let server: MongoServer;
  before(async () => {
    server = await startMongo();
  });
  after(() => server[Symbol.asyncDispose]());

  async function openEmpty(): Promise<OpenStore> {
    const url = server.newUrl();
    const opened: Storage[] = [await openMongooseStorage({ url })];
    return {
      storage: opened[0] as Storage,
      config: { kind: 'mongodb', url },
      async another() {
        const storage = await openMongooseStorage({ url });
        opened.push(storage);
        return storage;
      },
      async close() {
        for (const storage of opened) await storage.close();
      },
    };
  }

  storageContract('MongoDB', openEmpty);
  directoryContract('MongoDB', openEmpty, 3);

  test('every filter and sort is served by a declared index, and hot filters by the id', async () => {
    await using storage = await open();
    const sent = await queriesOf(() => useEverything(storage));
    assert.ok(sent.length > 60, String(sent.length));
    const exceptions = new Set<string>();
    for (const query of sent) {
      const { collection, filter } = query;
      const what = JSON.stringify(query);
      assert.ok(
        !['artifacts', 'tokens', 'logins', 'counters'].includes(collection) ||
          'expiresAt' in filter ||
          '_id' in filter,
        what,
      );
      if (indexesOf(collection).some((index) => serves(index, query))) continue;
      const exception = Object.keys(SORTED_IN_MEMORY).find((name) => isException(name, query));
      assert.ok(exception, what);
      exceptions.add(exception);
    }
    assert.deepEqual([...exceptions].sort(), Object.keys(SORTED_IN_MEMORY).sort());
  });

  test('a filter or a sort without an index is noticed', () => {
    const query = (filter: object, sort: Sort = {}): Query => ({
      collection: 'audit',
      method: 'find',
      filter: filter as Record<string, unknown>,
      sort,
    });
    const isServed = (asked: Query) => indexesOf(asked.collection).some((index) => serves(index, asked));
    const newest = { at: -1, _id: -1 } as const;
    assert.ok(isServed(query({ actor: 'a', event: 'e' }, newest)));
    assert.ok(isServed(query({ at: { $lt: 1 } }, { at: 1, _id: 1 })));
    assert.ok(isServed(query({}, newest)));
    assert.ok(!isServed(query({ event: 'e' })));
    assert.ok(!isServed(query({ event: 'e' }, newest)));
    assert.ok(!isServed(query({ actor: 'a' }, { event: 1 })));
    assert.ok(!isServed(query({ actor: 'a' }, { at: -1, _id: 1 })));
    assert.ok(!isServed(query({ actor: { $gt: 'a' } }, newest)));
  });

  test('the values of each listed key are read from its index', async () => {
    await using storage = await open();
    for (const name of COLLECTIONS) {
      for (const key of Object.keys(declarationOf(name).listed) as ListedKey[]) {
        assert.deepEqual(await storage.directory[name].listedValues(key), []);
        const first = indexesOf(name).map((index) => index[0]?.[0]);
        assert.ok(first.includes(`listed.${key}`), `${name} ${key}`);
      }
    }
  });

  test('rows that agree share one document, removed when the last has expired', async () => {
    const url = server.newUrl();
    const storage = await openMongooseStorage({ url });
    const connection = await mongoose.createConnection(url).asPromise();
    try {
      const countShared = () => connection.collection('shared').countDocuments();
      const [first, second] = [randomBytes(22), randomBytes(22)];
      const row = wholeTokenRow('t', NOW);
      await storage.tokens.insert(first, row);
      await storage.tokens.insert(second, { ...row, id: 'u', requestId: 'r', issuedAt: 1 });
      assert.equal(await countShared(), 1);
      assert.deepEqual(await storage.verify(), []);
      await connection.collection('shared').deleteMany({});
      assert.deepEqual(await storage.verify(), [
        'documents of the collection tokens have lost 1 that they share',
      ]);
      await assert.rejects(storage.tokens.find(first, NOW), /lost its shared document/);
      await storage.tokens.insert(randomBytes(22), { ...row, scope: 'other' });
      assert.equal(await storage.sweep(NOW + 60_000, 10), 3);
      assert.equal(await countShared(), 1, 'kept for rows to come');
      assert.equal(await storage.sweep(NOW + 24 * 3_600_000, 10), 1);
    } finally {
      await connection.close();
      await storage.close();
    }
  });

  test('MT-08 a value that looks like an operator is stored as a value', async () => {
    await using storage = await open();
    const { directory, nodes, counters, logins } = storage;
    await nodes.mark('n', { revokedAt: 1 }, Date.now() + 60_000);
    await counters.set('k', 1, Date.now() + 60_000);
    const hostile = [{ $gt: '' }, { $ne: null }, { $regex: '.*' }, { $where: 'true' }] as unknown as string[];
    for (const value of hostile) {
      await assert.rejects(counters.get(value, Date.now()));
      await assert.rejects(logins.find(value, Date.now()));
      await assert.rejects(directory.users.get(value));
      await assert.rejects(directory.users.findBy('username', value));
      await assert.rejects(nodes.read([value]));
    }
    const organization = {
      id: randomUUID(),
      name: 'a',
      enabled: true,
      default: false,
      hosts: [],
      createdAt: 1,
    };
    await assert.rejects(directory.organizations.insert({ ...organization, $set: { name: 'b' } } as never));
    await assert.rejects(directory.organizations.insert({ ...organization, surprise: 1 } as never));
    assert.equal((await directory.organizations.page({ limit: 1 })).items.length, 0);
  });

  test('a database from before the first release is refused in a sentence', async () => {
    const url = server.newUrl();
    const connection = await mongoose.createConnection(url).asPromise();
    await connection.collection('heads').insertOne({ _id: 'schema' as never, value: 5, pending: [] });
    await assert.rejects(openMongooseStorage({ url }), (error) => {
      assert.ok(error instanceof CannotOpenStore);
      assert.match(error.message, /before the first release \(schema 5\).*name another database/);
      return true;
    });
    await connection.close();
  });

  test('a database of an earlier release takes each step that it lacks', async () => {
    const url = server.newUrl();
    await (await openMongooseStorage({ url })).close();
    const connection = await mongoose.createConnection(url).asPromise();
    const heads = createHeads(createModels(connection).heads);
    const versionOf = async () => (await heads.read('schema'))?.value;
    const before = (await versionOf()) ?? 0;
    let tries = 0;
    const flaky = async () => {
      tries += 1;
      if (tries === 1) throw new Error('interrupted');
    };
    const next: Step = (at) => at.collection('nodes').createIndex({ resource: 1 }, { name: 'later' });
    await assert.rejects(migrate(connection, heads, [...STEPS, next, flaky]), /interrupted/);
    assert.equal(await versionOf(), before + 1);
    await migrate(connection, heads, [...STEPS, next, flaky]);
    assert.deepEqual([await versionOf(), tries], [before + 2, 2]);
    assert.ok((await connection.collection('nodes').indexes()).some(({ name }) => name === 'later'));
    await connection.close();
  });

  test('nouns that an earlier version wrote are listed after the migration', async () => {
    const url = server.newUrl();
    const noun = {
      id: randomUUID(),
      enabled: true,
      createdAt: 1,
      name: 'a',
      default: true,
      hosts: ['a.example'],
    };
    await using earlier = await open(url);
    await earlier.directory.organizations.insert(noun);
    const connection = await mongoose.createConnection(url).asPromise();
    await connection.collection('organizations').updateMany({}, { $unset: { listed: '' } });
    await connection.collection('heads').updateOne({ _id: 'schema' as never }, { $set: { value: 6 } });
    await connection.close();
    assert.deepEqual(await earlier.directory.organizations.listedValues('host'), []);
    await using later = await open(url);
    assert.deepEqual(await later.directory.organizations.listedValues('host'), ['', 'a.example']);
  });

  test('a change without an entry in the log, and a full log, name no changes', async () => {
    const url = server.newUrl();
    await using storage = await open(url);
    const { directory } = storage;
    const noun = { id: randomUUID(), enabled: true, createdAt: 1, name: 'a', default: false, hosts: [] };
    let organization = await directory.organizations.insert(noun);
    const { cursor: first } = await directory.changesSince();
    // As a process of an earlier version changes the directory.
    const connection = await mongoose.createConnection(url).asPromise();
    const head = { _id: 'directory revision' as never };
    const pending = { key: 'earlier', at: Date.now(), floor: 0 };
    await connection.collection('heads').updateOne(head, { $inc: { value: 1 }, $push: { pending } as never });
    const underWay = await directory.changesSince(first);
    assert.equal(underWay.changes, undefined);
    assert.equal((await directory.changesSince(underWay.cursor)).changes, undefined);
    await connection
      .collection('heads')
      .updateOne(head, { $inc: { value: 1 }, $pull: { pending: { key: 'earlier' } } as never });
    const done = await directory.changesSince(underWay.cursor);
    assert.equal(done.changes, undefined);
    await connection.close();
    for (let turn = 0; turn < 200; turn += 1) {
      organization = await directory.organizations.replace(organization);
    }
    assert.equal((await directory.changesSince(done.cursor)).changes?.length, 200);
    await directory.organizations.replace(organization);
    assert.equal((await directory.changesSince(done.cursor)).changes, undefined);
  });

  test('a database of a newer version is refused, and so is one that lets two win', async () => {
    const url = server.newUrl();
    await (await openMongooseStorage({ url })).close();
    const connection = await mongoose.createConnection(url).asPromise();
    await connection.collection('heads').updateOne({ _id: 'schema' as never }, { $set: { value: 99 } });
    await assert.rejects(openMongooseStorage({ url }), NewerDatabase);
    await connection.close();
    const { probe } = await import('../../adapters/storage/mongoose/probe.ts');
    const careless = {
      create: async () => undefined,
      updateOne: async () => ({ modifiedCount: 1 }),
      deleteOne: async () => undefined,
    };
    await assert.rejects(probe(careless as never), (error) => {
      assert.ok(error instanceof CannotOpenStore);
      assert.match(error.message, /^Of 40 parallel compare-and-sets on one document 40 won: /);
      return true;
    });
  });

  test('a writer that died midway does not hold up the changes of others', async () => {
    const url = server.newUrl();
    const storage = await openMongooseStorage({ url });
    const connection = await mongoose.createConnection(url).asPromise();
    try {
      await storage.nodes.mark('before', { revokedAt: 1 }, Date.now() + 60_000);
      const { until: cursor } = await storage.nodes.changesSince(0, 10);
      const head = await connection.collection('heads').findOne({ _id: 'changes' as never });
      const died = { key: 'died', at: Date.now(), floor: head?.value, note: 'null' };
      await connection
        .collection('heads')
        .updateOne({ _id: 'changes' as never }, { $inc: { value: 1 }, $push: { pending: died } as never });
      await storage.nodes.mark('after', { revokedAt: 2 }, Date.now() + 60_000);
      for (let look = 0; look < 2; look += 1) {
        const { records, until } = await storage.nodes.changesSince(cursor, 10);
        assert.deepEqual([records.map(({ id }) => id), until], [['after'], cursor]);
        assert.equal(await storage.nodes.settledChange(), cursor);
      }
      await connection
        .collection('heads')
        .updateOne({ _id: 'changes' as never }, { $pull: { pending: { key: 'died' } } as never });
      assert.ok((await storage.nodes.changesSince(cursor, 10)).until > cursor);
    } finally {
      await connection.close();
      await storage.close();
    }
  });

  async function open(url = server.newUrl()): Promise<Storage & AsyncDisposable> {
    const storage = await openMongooseStorage({ url });
    return { ...storage, [Symbol.asyncDispose]: () => storage.close() };
  }
});

type Sort = Readonly<Record<string, 1 | -1>>;

interface Query {
  readonly collection: string;
  readonly method: string;
  readonly filter: Record<string, unknown>;
  readonly sort: Sort;
}

/** What Mongoose sends, but for insertions and indexes. */
async function queriesOf(work: () => Promise<void>): Promise<Query[]> {
  const sent: Query[] = [];
  mongoose.set(
    'debug',
    (collection: string, method: string, filter: object, ...others: { sort?: object }[]) => {
      if (method.startsWith('insert') || method.startsWith('createIndex')) return;
      const given = others.find((other) => other?.sort)?.sort ?? {};
      const sort = given instanceof Map ? Object.fromEntries(given) : given;
      sent.push({ collection, method, filter: filter as Query['filter'], sort: sort as Sort });
    },
  );
  try {
    await work();
  } finally {
    mongoose.set('debug', false);
  }
  return sent;
}

type IndexKey = readonly (readonly [field: string, direction: 1 | -1])[];

const indexesOf = (collection: string): IndexKey[] => [
  [['_id', 1]],
  ...INDEXES.filter((index) => index.collection === collection).map(({ key }) => Object.entries(key)),
];

/**
 * Whether the index leads to what the filter asks for, in the order of the sort: its first fields are compared with one value
 * each, and the next ones are those of the sort.
 */
function serves(index: IndexKey, { filter, sort }: Query): boolean {
  const isEqual = (field: string): boolean => {
    const value = filter[field];
    if (value === undefined) return false;
    return value === null || typeof value !== 'object' || !Object.keys(value)[0]?.startsWith('$');
  };
  const fields = index.map(([field]) => field);
  const equal = fields.findIndex((field) => !isEqual(field));
  const rest = index.slice(equal === -1 ? index.length : equal);
  const sorted = Object.entries(sort).filter(([field]) => !isEqual(field));
  const turned = sorted[0]?.[1] === rest[0]?.[1] ? 1 : -1;
  const isSorted = sorted.every(
    ([field, direction], at) => rest[at]?.[0] === field && rest[at]?.[1] === direction * turned,
  );
  const leads = Object.keys(filter).length === 0 || (fields[0] as string) in filter;
  return isSorted && leads;
}

/** Their indexes have only the tokens with such a member, so they cannot have the id, by which all tokens would be in them. */
const SORTED_IN_MEMORY = {
  'tokens by user': 'those of one person',
  'tokens by connection': 'those of one connection',
  'tokens by parent': 'those that one token, login or connection made',
  'tokens by login': 'those of one login',
};

function isException(name: string, { collection, filter, sort }: Query): boolean {
  const [of, by] = name.split(' by ') as [string, string];
  return collection === of && by in filter && Object.keys(sort).join() === '_id';
}

/** Each method of the contract that a request or a command leads to. */
async function useEverything(storage: Storage): Promise<void> {
  const now = Date.now();
  const later = now + 60_000;
  const key = () => randomBytes(22);
  const [artifact, uid, token] = [key(), key(), key()];
  const { artifacts, tokens, logins, nodes, counters, audit, keys, directory } = storage;
  await artifacts.upsert('Session', artifact, { payload: {}, expiresAt: later }, { uid });
  await artifacts.insert('ReplayDetection', key(), { payload: {}, expiresAt: later }, now);
  await artifacts.find('Session', artifact, now);
  await artifacts.findByUid('Session', uid, now);
  await artifacts.consume('Session', artifact, now);
  await artifacts.remove('Session', artifact);
  await tokens.insert(token, wholeTokenRow('t', now));
  await tokens.find(token, now);
  for (const by of ['application', 'user', 'connection', 'parent', 'login'] as const) {
    await tokens.page({ by, id: 'a', now, limit: 2 });
    await tokens.page({ by, id: 'a', now, limit: 2, after: 'AAAA' });
  }
  for (const by of ['application', 'user'] as const) {
    await logins.page({ by, id: 'a', now, limit: 2 });
    await logins.page({ by, id: 'a', now, limit: 2, after: '1 a' });
  }
  await tokens.countOf('c', now, 9);
  await logins.countOf('o', now, 9);
  await logins.find('l', now);
  await logins.rotate('l', key(), key(), now);
  await nodes.mark('n', { revokedAt: now }, later);
  await nodes.read(['n', 'm']);
  await nodes.changesSince(0, 10);
  await nodes.settledChange();
  await counters.increment('k', 1, 1_000, now);
  await counters.get('k', now);
  await counters.set('k', 1, later);
  await counters.remove('k');
  await audit.append({ at: now, event: 'e', outcome: 'changed', organization: 'o' });
  for (const filter of [
    {},
    { organization: 'o' },
    { actor: 'a' },
    { subject: 's' },
    { event: 'e' },
    { event: 'user.', outcome: 'denied' },
    { since: now, until: later },
    {
      organization: 'o',
      actor: 'a',
      subject: 's',
      event: 'user.',
      outcome: 'denied',
      since: now,
      until: later,
    },
  ] as const) {
    const { entries } = await audit.page({ ...filter, limit: 2 });
    const before = entries[0]?.cursor ?? `${now}-${'a'.repeat(24)}`;
    await audit.page({ ...filter, limit: 2, before });
    await audit.count(filter, 2);
    await audit.find(before);
  }
  await audit.removeBefore(now - 1, 2);
  await keys.insert({ id: 'k', purpose: 'p', sealed: 's', createdAt: now, activeFrom: now });
  await keys.list();
  await keys.revision();
  const noun = { id: randomUUID(), enabled: true, createdAt: now, name: 'a', default: false, hosts: [] };
  const organization = await directory.organizations.insert(noun);
  await directory.organizations.replace(organization);
  await directory.organizations.findBy('name', 'a');
  await directory.users.findBy('username', 'management/a');
  await directory.users.findBy('email', 'management/a@b');
  await directory.applications.findBy('clientId', 'a');
  await directory.resources.findBy('identifier', 'a');
  await directory.applications.page({ limit: 2 });
  await directory.applications.page({ limit: 2, organization: 'o' });
  await directory.organizations.remove(organization.id, 2);
  await directory.revision();
  await directory.changesSince();
  for (const name of COLLECTIONS) {
    for (const key of Object.keys(declarationOf(name).listed) as ListedKey[]) {
      const listed = { key, value: 'a' };
      for (const organization of name === 'organizations' ? [undefined] : [undefined, 'o']) {
        const among = { listed, ...(organization !== undefined && { organization }) };
        await directory[name].page({ ...among, limit: 2 });
        await directory[name].count(among, 2);
      }
    }
    await directory[name].page({ limit: 2, after: '1' });
    await directory[name].count({}, 2);
    if (name === 'organizations') continue;
    await directory[name].page({ limit: 2, organization: 'o' });
    await directory[name].count({ organization: 'o' }, 2);
  }
  await storage.sweep(now, 10);
  await storage.ping();
}

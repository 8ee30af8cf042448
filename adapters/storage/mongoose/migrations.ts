/**
 * Collections and indexes, step by step. The head `schema` says which step a database is at, and opening it runs
 * the others. A released step is never changed or removed: a change of indexes or documents is a further step, which
 * may run twice. Grantable opens stores of every released version, and refuses databases from before the first release. Every index has a name.
 *
 * TTL indexes only help to keep the collections small: no query relies on them. They wait an hour longer than the
 * expiry says, so that a server whose clock is fast does not remove living documents.
 */
import { LRUCache } from 'lru-cache';
import type { Connection, mongo } from 'mongoose';
import { COLLECTIONS, type CollectionName, declarationOf } from '../../../src/nouns/index.ts';
import { CannotOpenStore, NewerDatabase } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { BESIDE_FACES, moveIntoFaces, moveIntoSecrets } from '../../../src/storage/earlier-nouns.ts';
import { REVISION, toListed, toNoun } from './directory.ts';
import { toBuffer } from './fields.ts';
import type { Heads } from './heads.ts';
import type { DocumentOf, HeadDocument, NounDocument } from './schemas.ts';

/** Seconds. */
const AFTER_EXPIRY = 3600;

interface Index {
  readonly collection: string;
  readonly name: string;
  readonly key: mongo.IndexSpecification & Record<string, 1 | -1>;
  readonly options: mongo.CreateIndexesOptions;
}

/** Shared documents come last, after the documents that refer to them. */
export const EXPIRING = ['tokens', 'artifacts', 'logins', 'counters', 'nodes', 'outbox', 'shared'];

const index = (
  collection: string,
  name: string,
  key: Index['key'],
  options: mongo.CreateIndexesOptions = {},
): Index => ({ collection, name, key, options });

const SPARSE = { sparse: true } as const;

function indexesOfNoun(collection: CollectionName): Index[] {
  const { unique, listed } = declarationOf(collection);
  return [
    index(collection, 'number', { number: 1 }, { unique: true }),
    ...(collection === 'organizations'
      ? []
      : [index(collection, 'organization', { organization: 1, number: 1 })]),
    ...Object.keys(unique).map((key) =>
      index(collection, `unique.${key}`, { [`unique.${key}`]: 1 }, { unique: true, sparse: true }),
    ),
    ...Object.keys(listed).map((key) =>
      index(collection, `listed.${key}`, { [`listed.${key}`]: 1, number: 1 }),
    ),
  ];
}

/** All current indexes. */
export const INDEXES: readonly Index[] = [
  ...EXPIRING.map((name) => index(name, 'expiry', { expiresAt: 1 }, { expireAfterSeconds: AFTER_EXPIRY })),
  index('nodes', 'change', { change: 1 }),
  index('tokens', 'application', { application: 1, _id: -1 }),
  ...['user', 'connection', 'parent', 'login'].map((by) => index('tokens', by, { [by]: 1 }, SPARSE)),
  index('logins', 'origin', { origin: 1 }, SPARSE),
  ...['application', 'user'].map((by) => index('logins', by, { [by]: 1, createdAt: -1, _id: -1 })),
  index('audit', 'at', { at: -1, _id: -1 }),
  ...['organization', 'actor', 'subject'].map((by) =>
    index('audit', `${by}.at`, { [by]: 1, at: -1, _id: -1 }),
  ),
  index('outbox', 'due', { nextAt: 1 }, SPARSE),
  index('outbox', 'lane', { openLane: 1 }, SPARSE),
  index('outbox', 'webhook', { webhook: 1, position: -1 }),
  index('outbox', 'state', { webhook: 1, state: 1, position: -1 }),
  index('keys', 'age', { createdAt: 1, _id: 1 }),
  ...COLLECTIONS.flatMap(indexesOfNoun),
];

/** All indexes of a collection in one command: some servers take seconds for each. */
async function createIndexes(connection: Connection): Promise<void> {
  for (const [collection, indexes] of Map.groupBy(INDEXES, (each) => each.collection)) {
    const specs = indexes.map(({ name, key, options }) => ({ name, key, ...options }));
    await connection.collection(collection).createIndexes(specs);
  }
}

/** Documents that are rewritten with one command, as each command waits for the journals of a majority. */
const AT_ONCE = 500;

/**
 * Updates documents in batches.
 * @param toUpdate of a document; undefined: it is as it should be
 * @returns whether each was as it should be
 */
async function updateEach<T extends { _id: string } | { _id: Buffer }>(
  found: mongo.Collection<T>,
  filter: mongo.Filter<T>,
  toUpdate: (document: T) => Promise<mongo.AnyBulkWriteOperation<T> | undefined>,
): Promise<boolean> {
  let isDone = true;
  const updates: mongo.AnyBulkWriteOperation<T>[] = [];
  const write = async () => {
    if (updates.length > 0) await found.bulkWrite(updates.splice(0), { ordered: false });
  };
  for await (const document of found.find(filter)) {
    const update = await toUpdate(document as T);
    if (!update) continue;
    isDone = false;
    updates.push(update);
    if (updates.length === AT_ONCE) await write();
  }
  await write();
  return isDone;
}

/** Rewrites each document that is in an earlier form, also one that another process writes meanwhile. */
async function rewrite(
  connection: Connection,
  name: CollectionName,
  isEarlier: (document: NounDocument) => boolean,
  toFields: (document: NounDocument) => mongo.UpdateFilter<NounDocument>,
): Promise<void> {
  const nouns = connection.collection<NounDocument>(name);
  const toUpdate = async (document: NounDocument) => {
    const { _id, version } = document;
    return isEarlier(document)
      ? { updateOne: { filter: { _id, version }, update: toFields(document) } }
      : undefined;
  };
  while (!(await updateEach(nouns, {}, toUpdate)));
}

/** What faces keep is JSON text, which earlier versions kept as documents. */
async function writeFaces(connection: Connection): Promise<void> {
  await rewrite(
    connection,
    'organizations',
    ({ faces }) => typeof faces === 'object' && faces !== null,
    ({ faces }) => ({ $set: { faces: JSON.stringify(faces) } }),
  );
  // Processes of an earlier version will not find what users have: from here on they take all faces for off.
  await connection.collection<HeadDocument>('heads').updateOne({ _id: REVISION }, { $inc: { value: 1 } });
  await rewrite(
    connection,
    'users',
    (document) => BESIDE_FACES in document,
    (document) => {
      const { faces } = moveIntoFaces(toNoun<'users'>(document));
      return { $set: { faces: JSON.stringify(faces) }, $unset: { [BESIDE_FACES]: '' } };
    },
  );
}

/** An application has several secrets, where it had one. */
async function writeSecrets(connection: Connection): Promise<void> {
  await rewrite(
    connection,
    'applications',
    (document) => !('secrets' in document),
    (document) => {
      const { secrets } = moveIntoSecrets(toNoun<'applications'>(document));
      return { $set: { secrets }, $unset: { secretHash: '', secretSeed: '' } };
    },
  );
}

/** Writes what nouns are listed by into those that earlier versions wrote. */
async function fillLists(connection: Connection, names = COLLECTIONS): Promise<void> {
  for (const name of names.filter((each) => Object.keys(declarationOf(each).listed).length > 0)) {
    await updateEach(connection.collection<NounDocument>(name), {}, async (document) => {
      const { _id, version } = document;
      const listed = toListed(name, toNoun(document));
      const update = listed ? { $set: { listed } } : { $unset: { listed: '' as const } };
      return { updateOne: { filter: { _id, version }, update } };
    });
  }
  await createIndexes(connection);
}

/** Indexes that no query needs, of stores that earlier versions made. */
async function dropEarlierIndexes(connection: Connection): Promise<void> {
  const audit = connection.collection('audit');
  const there = await audit.indexes();
  for (const name of ['organization', 'age']) {
    if (there.some((each) => each.name === name)) await audit.dropIndex(name);
  }
}

/** Writes into tokens and logins by what else they are found. */
async function fillRows(connection: Connection): Promise<void> {
  const tokens = connection.collection<DocumentOf<'tokens'>>('tokens');
  await updateEach(tokens, { login: { $exists: false } }, async ({ _id, document }) => {
    const { login } = JSON.parse(document);
    return login === undefined ? undefined : { updateOne: { filter: { _id }, update: { $set: { login } } } };
  });
  const shared = connection.collection<DocumentOf<'shared'>>('shared');
  const applications = new LRUCache<string, string>({ max: 10_000 });
  const applicationOf = async (_id: Buffer): Promise<string | undefined> => {
    const reference = toBuffer(_id).toString('base64');
    const known = applications.get(reference);
    if (known !== undefined) return known;
    const found = await shared.findOne({ _id });
    const application: string | undefined = found ? JSON.parse(found.document).application : undefined;
    if (application !== undefined) applications.set(reference, application);
    return application;
  };
  const logins = connection.collection<DocumentOf<'logins'>>('logins');
  await updateEach(logins, { createdAt: { $exists: false } }, async (login) => {
    const { user, createdAt } = JSON.parse(login.document);
    const $set = defined({ application: await applicationOf(login.shared), user, createdAt });
    return { updateOne: { filter: { _id: login._id }, update: { $set } } };
  });
}

/** Versions up to this one were never released. */
const BEFORE_RELEASE = 5;
const SCHEMA = 'schema';

export type Step = (connection: Connection) => Promise<unknown>;

export const STEPS: readonly Step[] = [
  createIndexes,
  async (connection) => {
    await writeFaces(connection);
    await fillLists(connection);
  },
  writeFaces,
  (connection) => fillLists(connection),
  createIndexes,
  writeSecrets,
  async (connection) => {
    await dropEarlierIndexes(connection);
    await fillRows(connection);
    await fillLists(connection, ['users']);
  },
  createIndexes,
  createIndexes,
];

/**
 * It is safe to run this again after an interruption.
 * @param steps other than `STEPS` in tests only
 * @throws CannotOpenStore, NewerDatabase before any change
 */
export async function migrate(connection: Connection, heads: Heads, steps = STEPS): Promise<void> {
  const last = BEFORE_RELEASE + steps.length;
  const found = (await heads.read(SCHEMA))?.value ?? 0;
  if (found > last) {
    throw new NewerDatabase(
      `The database was written by a newer version of Grantable (schema ${found}, known is ${last}).`,
    );
  }
  if (found > 0 && found <= BEFORE_RELEASE) {
    throw new CannotOpenStore(
      `The database was written by a version of Grantable from before the first release (schema ${found}), which cannot be read: name another database, or drop this one.`,
    );
  }
  if (found === 0) {
    await createIndexes(connection);
    await heads.raise(SCHEMA, last);
    return;
  }
  for (let taken = found - BEFORE_RELEASE; taken < steps.length; taken += 1) {
    await steps[taken]?.(connection);
    await heads.raise(SCHEMA, BEFORE_RELEASE + taken + 1);
  }
}

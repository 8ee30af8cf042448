/**
 * Collections and indexes, under one number. Every index has a name.
 *
 * TTL indexes only help to keep the collections small: no query relies on them. They wait an hour longer than the
 * expiry says, so that a server whose clock is fast removes nothing that lives.
 */
import type { Connection, mongo } from 'mongoose';
import { NewerDatabase } from '../../../src/storage/contract.ts';
import { uniqueKeys } from '../../../src/storage/nouns.ts';
import { guarded } from './errors.ts';
import type { Heads } from './heads.ts';

/** Seconds. */
const AFTER_EXPIRY = 3600;

interface Index {
  readonly collection: string;
  readonly name: string;
  readonly key: mongo.IndexSpecification & Record<string, 1 | -1>;
  readonly options?: mongo.CreateIndexesOptions;
}

const EXPIRING = ['artifacts', 'tokens', 'logins', 'nodes', 'counters'];
const NOUNS = Object.keys(uniqueKeys) as (keyof typeof uniqueKeys)[];

/** All that there are now. */
export const INDEXES: readonly Index[] = [
  ...EXPIRING.map((collection) => ({
    collection,
    name: 'expiry',
    key: { expiresAt: 1 } as const,
    options: { expireAfterSeconds: AFTER_EXPIRY },
  })),
  { collection: 'nodes', name: 'change', key: { change: 1 } },
  { collection: 'tokens', name: 'connection', key: { connection: 1 }, options: { sparse: true } },
  { collection: 'logins', name: 'origin', key: { origin: 1 }, options: { sparse: true } },
  { collection: 'audit', name: 'organization', key: { organization: 1, _id: -1 } },
  { collection: 'audit', name: 'age', key: { at: 1 } },
  { collection: 'keys', name: 'age', key: { createdAt: 1, _id: 1 } },
  ...NOUNS.flatMap((collection): Index[] => [
    { collection, name: 'number', key: { number: 1 }, options: { unique: true } },
    ...(collection === 'organizations'
      ? []
      : [{ collection, name: 'organization', key: { organization: 1, number: 1 } } as const]),
    ...Object.keys(uniqueKeys[collection]).map((key) => ({
      collection,
      name: `unique.${key}`,
      key: { [`unique.${key}`]: 1 } as const,
      options: { unique: true, sparse: true },
    })),
  ]),
];

/** All indexes of a collection in one command: some servers take seconds for each. */
async function createIndexes(connection: Connection): Promise<void> {
  for (const [collection, indexes] of Map.groupBy(INDEXES, (index) => index.collection)) {
    const specs = indexes.map(({ name, key, options }) => ({ name, key, ...options }));
    await guarded(() => connection.collection(collection).createIndexes(specs));
  }
}

/** Raised by each change of the indexes, so that existing databases get them. */
const VERSION = 5;
const SCHEMA = 'schema';

/** It is safe to run this again after an interruption. @throws NewerDatabase before any change */
export async function migrate(connection: Connection, heads: Heads): Promise<void> {
  const version = (await heads.read(SCHEMA))?.value ?? 0;
  if (version > VERSION) {
    throw new NewerDatabase(
      `The database was written by a newer version of Grantable (schema ${version}, known is ${VERSION}).`,
    );
  }
  if (version === VERSION) return;
  await createIndexes(connection);
  await heads.raise(SCHEMA, VERSION);
}

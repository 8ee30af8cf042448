/**
 * Collections and indexes, numbered; each migration may be run again over what it made. Every index has a name.
 *
 * TTL indexes only help to keep the collections small: no query relies on them. They wait an hour longer than the
 * expiry says, so that a server whose clock is fast removes nothing that lives.
 */
import type { Connection, mongo } from 'mongoose';
import { NewerDatabase } from '../../../src/storage/contract.ts';
import { uniqueKeys } from '../../../src/storage/nouns.ts';
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
  { collection: 'audit', name: 'organization', key: { organization: 1, _id: -1 } },
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

async function createIndexes(connection: Connection): Promise<void> {
  for (const { collection, name, key, options } of INDEXES) {
    await connection.collection(collection).createIndex(key, { name, ...options });
  }
}

/** An index that is added needs a step of its own for the databases that have taken all before. */
const MIGRATIONS: readonly ((connection: Connection) => Promise<void>)[] = [
  createIndexes,
  createIndexes,
  createIndexes,
];

const SCHEMA = 'schema';

/** @throws NewerDatabase, nothing was changed */
export async function migrate(connection: Connection, heads: Heads): Promise<void> {
  const version = (await heads.read(SCHEMA))?.value ?? 0;
  if (version > MIGRATIONS.length) {
    throw new NewerDatabase(
      `The database was written by a newer version of Grantable (schema ${version}, known is ${MIGRATIONS.length}).`,
    );
  }
  for (const [done, step] of MIGRATIONS.entries()) {
    if (done < version) continue;
    await step(connection);
    await heads.raise(SCHEMA, done + 1);
  }
}

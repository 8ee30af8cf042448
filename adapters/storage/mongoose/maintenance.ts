/** Removes what has expired, and checks whether the store is complete. */
import { type Connection, trusted } from 'mongoose';
import type { Counted } from '../../../src/storage/contract.ts';
import { countAll } from '../../../src/storage/pages.ts';
import { guarded, guardedLong } from './errors.ts';
import { EXPIRING, INDEXES } from './migrations.ts';
import type { Models } from './schemas.ts';

const expiringOf = (connection: Connection) =>
  EXPIRING.map((name) => connection.model<{ _id: Buffer | string; expiresAt: Date }>(name));

const expiredAt = (now: number) => ({ expiresAt: trusted({ $lte: new Date(now) }) });

/** Documents that a sweep would remove, up to `limit`. */
export function countExpired(connection: Connection, now: number, limit: number): Promise<Counted> {
  return countAll(expiringOf(connection), limit, (model, most) =>
    guarded(() => model.countDocuments(expiredAt(now)).limit(most)),
  );
}

/**
 * @returns how many expired documents were found, the oldest of each collection first, and removed by this or by another
 *   process; at most `limit`; 0 when all have gone
 */
export async function sweep(connection: Connection, now: number, limit: number): Promise<number> {
  let left = limit;
  const isExpired = expiredAt(now);
  for (const model of expiringOf(connection)) {
    if (left === 0) break;
    const oldest = model.find(isExpired, { _id: 1 }).sort({ expiresAt: 1 }).limit(left);
    const expired = await guarded(() => oldest.lean());
    if (expired.length === 0) continue;
    const ids = trusted({ $in: expired.map(({ _id }) => _id) });
    await guarded(() => model.deleteMany({ _id: ids, ...isExpired }));
    left -= expired.length;
  }
  return limit - left;
}

/** @returns a sentence for each index and each collection of shared documents that is incomplete */
export async function verify(connection: Connection, models: Models): Promise<string[]> {
  return [...(await verifyIndexes(connection)), ...(await verifyShared(models))];
}

async function verifyShared({ shared, tokens, logins }: Models): Promise<string[]> {
  const findings: string[] = [];
  for (const model of [tokens, logins]) {
    let lost = 0;
    const references = model.aggregate<{ _id: Buffer }>([{ $group: { _id: '$shared' } }]).cursor();
    await guardedLong(async () => {
      for await (const { _id } of references) if (!(await shared.exists({ _id }))) lost += 1;
    });
    const name = model.collection.name;
    if (lost > 0) findings.push(`documents of the collection ${name} have lost ${lost} that they share`);
  }
  return findings;
}

async function verifyIndexes(connection: Connection): Promise<string[]> {
  const missing: string[] = [];
  for (const [collection, indexes] of Map.groupBy(INDEXES, (index) => index.collection)) {
    const there = await guardedLong(() => connection.collection(collection).indexes());
    const lost = indexes.filter(({ name }) => !there.some((index) => index.name === name));
    missing.push(...lost.map(({ name }) => `the collection ${collection} has lost its index ${name}`));
  }
  return missing;
}

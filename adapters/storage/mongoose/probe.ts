/**
 * Whether the server keeps the one promise that this store depends on: of any number of parallel compare-and-sets
 * on one document exactly one wins, and of parallel increments none is lost. Not every server that speaks the protocol
 * does. The probe also tries upserts of a new document; Grantable makes none, other programs may.
 */
import { randomUUID } from 'node:crypto';
import type { Model } from 'mongoose';
import { CannotOpenStore } from '../../../src/storage/contract.ts';
import { guarded, passes } from './errors.ts';
import type { HeadDocument } from './schemas.ts';

const PARALLEL = 40;

const inParallel = <T>(work: (index: number) => PromiseLike<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: PARALLEL }, (_, index) => guarded(() => work(index))));

async function requireOneWinner(heads: Model<HeadDocument>, _id: string): Promise<void> {
  const tries = await inParallel((index) =>
    heads.updateOne({ _id, value: 0 }, { $set: { value: index + 1 } }),
  );
  const winners = tries.filter(({ modifiedCount }) => modifiedCount === 1).length;
  if (winners === 1) return;
  throw new CannotOpenStore(
    `Of ${PARALLEL} parallel compare-and-sets on one document ${winners} won: this database cannot keep a code from being used twice.`,
  );
}

async function sumOf(heads: Model<HeadDocument>, _id: string): Promise<number | undefined> {
  return (await guarded(() => heads.findOne({ _id }).lean()))?.value;
}

async function requireAllIncrements(heads: Model<HeadDocument>, _id: string): Promise<void> {
  await guarded(() => heads.updateOne({ _id }, { $set: { value: 0 } }));
  await inParallel(() => heads.updateOne({ _id }, { $inc: { value: 1 } }));
  const sum = await sumOf(heads, _id);
  if (sum === PARALLEL) return;
  throw new CannotOpenStore(
    `Of ${PARALLEL} parallel increments ${sum} were counted: this database cannot count guesses of a password.`,
  );
}

/** @returns a sentence if increments were acknowledged and lost */
async function tryUpserts(heads: Model<HeadDocument>, _id: string): Promise<string | undefined> {
  let refused = 0;
  await inParallel(() =>
    heads.updateOne({ _id }, { $inc: { value: 1 } }, { upsert: true }).then(undefined, (error) => {
      if (passes(error)) throw error;
      refused += 1;
    }),
  );
  const [sum, acknowledged] = [await sumOf(heads, _id), PARALLEL - refused];
  if (sum === acknowledged) return undefined;
  return `Of ${acknowledged} parallel upserts of a new document that this database acknowledged ${sum ?? 0} were counted. Grantable makes no upserts and loses nothing by it; other programs may.`;
}

/**
 * @returns a sentence for each promise that the server does not keep and Grantable can do without
 * @throws CannotOpenStore with a sentence that says what happened
 */
export async function probe(heads: Model<HeadDocument>): Promise<string[]> {
  const [there, missing] = [`probe ${randomUUID()}`, `probe ${randomUUID()}`];
  await guarded(() => heads.create({ _id: there, value: 0, pending: [] }));
  try {
    await requireOneWinner(heads, there);
    await requireAllIncrements(heads, there);
    const warning = await tryUpserts(heads, missing);
    return warning === undefined ? [] : [warning];
  } finally {
    for (const _id of [there, missing]) await heads.deleteOne({ _id }).catch(() => undefined);
  }
}

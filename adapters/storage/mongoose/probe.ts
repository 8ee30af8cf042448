/**
 * Whether the server keeps the one promise that everything here stands on: of any number of parallel compare-and-sets
 * on one document exactly one wins, and of parallel increments none is lost. Not every server that speaks the protocol
 * does.
 */
import { randomUUID } from 'node:crypto';
import type { Model } from 'mongoose';
import { CannotOpenStore } from '../../../src/storage/contract.ts';
import { guarded } from './errors.ts';
import type { HeadDocument } from './schemas.ts';

const PARALLEL = 40;

/** @throws CannotOpenStore with a sentence that says what happened */
export async function probe(heads: Model<HeadDocument>): Promise<void> {
  const _id = `probe ${randomUUID()}`;
  await guarded(() => heads.create({ _id, value: 0, pending: [] }));
  try {
    const tries = await Promise.all(
      Array.from({ length: PARALLEL }, (_, index) =>
        guarded(() => heads.updateOne({ _id, value: 0 }, { $set: { value: index + 1 } })),
      ),
    );
    const winners = tries.filter(({ modifiedCount }) => modifiedCount === 1).length;
    if (winners !== 1) {
      throw new CannotOpenStore(
        `Of ${PARALLEL} parallel compare-and-sets on one document ${winners} won: this database cannot keep a code from being used twice.`,
      );
    }
    await guarded(() => heads.updateOne({ _id }, { $set: { value: 0 } }));
    await Promise.all(
      Array.from({ length: PARALLEL }, () => guarded(() => heads.updateOne({ _id }, { $inc: { value: 1 } }))),
    );
    const sum = (await guarded(() => heads.findOne({ _id }).lean()))?.value;
    if (sum !== PARALLEL) {
      throw new CannotOpenStore(
        `Of ${PARALLEL} parallel increments ${sum} were counted: this database cannot count guesses of a password.`,
      );
    }
  } finally {
    await heads.deleteOne({ _id }).catch(() => undefined);
  }
}

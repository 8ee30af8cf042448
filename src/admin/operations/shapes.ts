/** Shapes of queries and answers that several operations share. */
import { z } from 'zod';

/** @param ms since the epoch */
export const toMoment = (ms: number): string => new Date(ms).toISOString();

/** @param ms since the epoch */
export const toMomentIf = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : toMoment(ms);

export const moment = z.iso.datetime({ precision: 3 }).describe('RFC 3339, in UTC.');

export const counted = z.strictObject({
  count: z.int().min(0).describe('How many there are, at least.'),
  isMore: z.boolean().describe('There are or may be more: counting ended there.'),
});

const MOST_LISTED = 200;

/** What a list takes. */
export const pageQuery = {
  after: z.string().min(1).exactOptional().describe('`next` of the page before.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST_LISTED)
    .default(50)
    .describe('How many at most. A page may have fewer and still a `next`.'),
};

export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    items: z.array(item),
    next: z.string().exactOptional().describe('Give it as `after` for the following page.'),
  });
}

/** What would end, or has ended. */
export const endedShape = z.strictObject({
  dryRun: z.boolean().describe('Nothing was done.'),
  tokens: z
    .strictObject({
      living: z.int().min(0).describe('Exact up to 1,000.'),
      isMore: z.boolean().describe('There are or may be more: counting ended there.'),
    })
    .describe('Living tokens that end, or ended, with it.'),
});

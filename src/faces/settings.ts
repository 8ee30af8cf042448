/** Settings that several faces have. */
import { z } from 'zod';
import { applicationName } from '../nouns/values.ts';

export const enabled = z.boolean().exactOptional().describe('`false`: its paths answer 404.');

export const application = applicationName.describe(
  'Name of the application whose users, grants and ceiling it uses.',
);

export const registration = z.boolean().exactOptional();

export const administrators = z
  .boolean()
  .exactOptional()
  .describe('`true`: administrators of the organization log in through it too. Off by default.');

const DAY = 86_400;

/** Seconds. */
export const ttl = z
  .int()
  .min(10)
  .max(7 * DAY)
  .exactOptional();

/** Seconds. */
export const refreshTtl = z
  .int()
  .min(60)
  .max(365 * DAY)
  .exactOptional();

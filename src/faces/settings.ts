/** Settings that several faces have. */
import { z } from 'zod';
import { applicationName, flag } from '../nouns/values.ts';

export const enabled = flag.describe('`false`: its paths answer 404.');

export const application = applicationName.describe(
  'Name of the application whose users, grants and ceiling it uses.',
);

export const administrators = flag.describe(
  '`true`: administrators of the organization log in through it too. Off by default.',
);

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

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

const seconds = (min: number, max: number) => z.int().min(min).max(max).exactOptional();

export const ttl = seconds(10, 7 * DAY);

export const refreshTtl = seconds(60, 365 * DAY);

/**
 * What a face says of itself to the rest of the server. It is read without loading the face, so it imports neither the face
 * nor anything that answers requests.
 */
import { z } from 'zod';
import type { FaceRules } from '../directory/face-rules.ts';
import { applicationName, flag } from '../nouns/values.ts';

export interface DemoFacts {
  readonly issuer: string;
  /** Of every person of the demo. */
  readonly password: string;
  /** `client_id:secret` of the client that may introspect tokens for sites. */
  readonly sites: string;
  /** @returns a shell command that picks a member out of JSON on its input */
  readonly pick: (member: string) => string;
}

/**
 * In the demo of the first start. It has the applications `login`, whose users log in, and `sites`, for resources that are
 * registered through a face; the user `ann`; and the datasource `crm`.
 */
export interface FaceDemo {
  readonly settings: Readonly<Record<string, unknown>>;
  /** What it keeps on `ann`. */
  readonly user?: Readonly<Record<string, unknown>>;
  /** A heading, and below it commands that work as printed. */
  readonly step: (facts: DemoFacts) => string;
}

export interface FaceDeclaration extends FaceRules {
  /** What people call the API. */
  readonly title: string;
  /** For docs/configuration.md. */
  readonly description: string;
  /** In an apply file, as the settings of an organization; `application` is the name of one of its applications. */
  readonly settings: z.ZodObject;
  /** In an apply file: what it keeps on a user, under its name. */
  readonly ofUser?: { readonly description: string; readonly schema: z.ZodObject };
  /** Strangers may register unless the settings say otherwise, outside production. */
  readonly isOpenByDefault?: true;
  /** What few faces make use of; docs/configuration.md says which. */
  readonly uses?: readonly ('derived logins' | 'organization clients')[];
  readonly demo: FaceDemo;
}

// Settings that several faces have.

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

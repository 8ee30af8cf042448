/** Connections: a client exchanges the token of one for short-lived tokens with at most its rights. */
import { z } from 'zod';
import type { FileValue } from './in-file.ts';
import { defineNoun, field, type Noun, type NounOf, ofOrganization } from './noun.ts';
import {
  applicationName,
  exchangeTtl,
  identifier,
  listOf,
  moment,
  NOTHING_STORED,
  network,
  resourceScope,
  storedPermissions,
  username,
} from './values.ts';
import { permissionsOfConnection } from './written-permissions.ts';

/** A secret of a connection; its id is a node, above all that was made with the secret. */
const secret = z.strictObject({
  id: z.string(),
  hash: z.string().describe('SHA-256 of the connection token, base64url.'),
  createdAt: moment,
});

/** Milliseconds that a connection lives unless something else is said. */
const DEFAULT_LIFETIME = 365 * 86_400_000;

export const connection = defineNoun({
  singular: 'connection',
  describe:
    'A long-lived grant. Its connection token is exchanged for access tokens of at most a day (RFC 8693).',
  fields: {
    organization: ofOrganization,
    name: field(applicationName, { effect: 'none', describe: 'Unique in the organization.' }),
    enabled: field(z.boolean(), {
      effect: 'ends',
      initially: true,
      describe: '`false`: its token is refused, and tokens made from it end.',
    }),
    application: field(z.string(), {
      effect: 'none',
      fixed: true,
      refersTo: 'application',
      inFile: { schema: applicationName },
      describe: 'Name of the application that the connection belongs to. Cannot be changed later.',
    }),
    resource: field(identifier, {
      effect: 'none',
      fixed: true,
      refersTo: 'resource',
      inFile: { schema: identifier.exactOptional() },
      describe: "Identifier of its resource; the application's own if left out. Cannot be changed later.",
    }),
    owner: field(z.string().exactOptional(), {
      effect: 'none',
      fixed: true,
      refersTo: 'user',
      inFile: { schema: username.exactOptional() },
      describe:
        'A user of the application. The connection never allows more than this user may do, and it ends when the user is disabled or removed. Cannot be changed later.',
    }),
    scopes: field(listOf(resourceScope), {
      effect: 'narrows',
      initially: [],
      describe: 'The scopes that tokens made from it may have, at most.',
    }),
    permissions: field(storedPermissions, {
      effect: 'narrows',
      initially: NOTHING_STORED,
      inFile: permissionsOfConnection,
      describe: 'The most that tokens made from it may allow. A new connection allows nothing.',
    }),
    expiresAt: field(moment.exactOptional(), {
      effect: 'narrows',
      initially: ({ createdAt }: Pick<Noun, 'createdAt'>) => createdAt + DEFAULT_LIFETIME,
      inFile: {
        key: 'lifetime',
        // Counted from when it was made, so a file that is applied again changes nothing.
        fromFile: ({ said, noun }: FileValue<number, number, Noun>) => noun.createdAt + said * 1000,
        toFile: (value: number | undefined, { createdAt }: Noun) =>
          value === undefined ? undefined : (value - createdAt) / 1000,
        schema: z
          .int()
          .min(60)
          .max(3650 * 86_400)
          .exactOptional(),
      },
      describe: 'Seconds that it lives, counted from its creation. A new connection has 365 days.',
    }),
    networks: field(listOf(network), {
      effect: 'none',
      initially: [],
      describe: 'IP addresses and CIDR blocks from which its token is accepted; every address if empty.',
    }),
    maxTokenTtl: field(exchangeTtl.exactOptional(), {
      effect: 'none',
      describe: 'The most seconds that a token made from it lives; a day if never set.',
    }),
    secrets: field(z.array(secret), {
      effect: 'none',
      secret: true,
      inFile: false,
      describe: 'Newest first; an earlier one is valid until it is removed.',
    }),
  },
  unique: { name: (noun) => `${noun.organization}/${noun.name}` },
  listed: {
    resource: ({ resource }) => resource,
    application: ({ application }) => application,
    owner: ({ owner }) => owner,
  },
  isReadEachTime: true,
});

export interface Connection extends NounOf<typeof connection> {}

export type ConnectionSecret = Connection['secrets'][number];

/** Older token APIs of the apply file, and what is said of people and organizations for their sake. */
import { z } from 'zod';
import {
  applicationName,
  exchangeTtl,
  line,
  listOf,
  mailUrl,
  slug,
  username,
  webSocketUrl,
} from '../nouns/values.ts';
import { DIMENSIONS, type Dimension, toReach } from '../permissions/device-access.ts';
import { PermissionsError } from '../permissions/errors.ts';

const enabled = z.boolean().exactOptional();
const application = applicationName.describe(
  'Name of the application whose users, grants and ceiling it uses.',
);
const administrators = z
  .boolean()
  .exactOptional()
  .describe('`true`: administrators of the organization log in through it too. Off by default.');

const DAY = 86_400;
const MOST_DAYS = 365;

const refreshTtl = z
  .int()
  .min(60)
  .max(MOST_DAYS * DAY)
  .exactOptional();
const ttl = z
  .int()
  .min(10)
  .max(7 * DAY)
  .exactOptional();

const sunbreak = z.strictObject({
  enabled: enabled.describe('`false`: its paths answer 404.'),
  application,
  registration: z
    .boolean()
    .exactOptional()
    .describe(
      '`true`: strangers may register and connect new domains. `false` by default in production, `true` otherwise.',
    ),
  ttl: exchangeTtl.exactOptional().describe('Seconds that short tokens live; a day if never set.'),
  expiredAt: z
    .boolean()
    .exactOptional()
    .describe('`true`: the answer says in Unix seconds when the short token expires.'),
});

const tokenInfo = z.strictObject({
  authTokenType: z
    .enum(['AM', 'AM_DB'])
    .describe('`AM`: the token of a user. `AM_DB`: also the token of a row of a user table.'),
  instance: slug.exactOptional().describe('With `AM_DB`: the row must belong to this datasource.'),
  database: line.exactOptional().describe('With `AM_DB`: the row must belong to this database.'),
  collection: line.exactOptional().describe('With `AM_DB`: the row must belong to this table or collection.'),
});

const apiMaker = z.strictObject({
  enabled: enabled.describe('`false`: its path answers 404.'),
  application,
  ttl: exchangeTtl.exactOptional().describe('Seconds that tokens live; 10800 if never set.'),
  refreshTtl: refreshTtl.describe('Seconds that a login can be renewed; 30 days if never set.'),
  authTokenInfo: z
    .array(tokenInfo)
    .max(10)
    .exactOptional()
    .describe('Tokens that a caller must present to get one. Empty, as in a new face: any client may call.'),
});

const usergrid = z.strictObject({
  enabled: enabled.describe('`false`: its paths answer 404.'),
  registration: z
    .boolean()
    .exactOptional()
    .describe('`true`: strangers may make users without a token. Off by default.'),
  administrators,
  queryCredentials: z
    .boolean()
    .exactOptional()
    .describe(
      '`true`: Grantable accepts passwords and client secrets in the query too, as the original does; they end up in logs. Off by default.',
    ),
  ttl: ttl.describe('Seconds that tokens live unless a request says otherwise; 3600 if never set.'),
});

const plugin = z.strictObject({
  topic: line.describe('The topic that the plugin listens to.'),
  creator: username.describe('Who may make tokens for it: the user name of a user of the application.'),
});

const devicehive = z.strictObject({
  enabled: enabled.describe('`false`: its paths answer 404.'),
  application,
  administrators,
  ttl: ttl.describe('Seconds that access tokens live; 1800 if never set.'),
  refreshTtl: refreshTtl.describe('Seconds that a login lasts; 182 days if never set.'),
  webSocketUrl: webSocketUrl
    .exactOptional()
    .describe('The address of the WebSocket service in `/info`; an address of this server if left out.'),
  plugins: listOf(plugin, ({ topic }) => topic)
    .exactOptional()
    .describe('Plugins, each with the topic that its tokens are for.'),
});

const fusio = z.strictObject({
  enabled: enabled.describe('`false`: its paths answer 404.'),
  application,
  registration: z
    .boolean()
    .exactOptional()
    .describe('`true`: strangers may register; they get a mail with a token to activate. Off by default.'),
  userCredentials: z
    .boolean()
    .exactOptional()
    .describe(
      "`true`: `client_credentials` takes a person's name and password instead of an application's key and secret. Off by default.",
    ),
  ttl: ttl.describe('Seconds that access tokens live; 2 days if never set.'),
  refreshTtl: refreshTtl.describe(
    'Seconds that a refresh token lives. Each refresh starts them again, until the login ends (`GRANTABLE_LOGIN_TTL`). 3 days if never set.',
  ),
  activationUrl: mailUrl
    .exactOptional()
    .describe('The link in the mail to a person who registered; without it the mail has only the token.'),
  passwordResetUrl: mailUrl
    .exactOptional()
    .describe(
      'The link in the mail to a person who forgot the password; without it the mail has only the token.',
    ),
});

export const faces = z.strictObject({
  sunbreak: sunbreak.exactOptional().describe('Sunbreak, and FortressDB.'),
  apiMaker: apiMaker.exactOptional().describe("API Maker's token API."),
  usergrid: usergrid.exactOptional().describe('Apache Usergrid, Apigee App Services.'),
  devicehive: devicehive.exactOptional().describe('DeviceHive.'),
  fusio: fusio.exactOptional().describe('Fusio.'),
});

export type BuiltInFace = keyof z.output<typeof faces>;

/** Faces that let strangers register unless the file says otherwise, outside production. */
export const openByDefault: ReadonlySet<BuiltInFace> = new Set<BuiltInFace>(['sunbreak']);

/** Read as tokens spell it, so that what cannot be had cannot be given either. */
const reach = (dimension: Dimension) =>
  z.array(z.string()).superRefine((list, context) => {
    try {
      toReach(list, dimension);
    } catch (error) {
      if (!(error instanceof PermissionsError)) throw error;
      context.addIssue({ code: 'custom', message: `is not valid: ${error.message}` });
    }
  });

const [actions, networks, deviceTypes] = DIMENSIONS;

export const deviceRights = z.strictObject({
  actions: reach(actions)
    .exactOptional()
    .describe(
      'Names of actions, or `*` alone for all, which makes an administrator of DeviceHive; the actions of a client if left out.',
    ),
  networks: reach(networks).exactOptional().describe('Ids of networks, or `*` alone; none if left out.'),
  deviceTypes: reach(deviceTypes)
    .exactOptional()
    .describe('Ids of device types, or `*` alone; all if left out.'),
});

/** The apply file: every key with its meaning. `docs/configuration.md` is written from these descriptions. */
import { z } from 'zod';
import { toImportedHash } from '../accounts/passwords.ts';
import { builtInFaces, titlesOf } from '../faces/index.ts';
import { isHostAndPort } from '../nouns/hosts.ts';
import { AUTH_METHODS, GRANTS, TOKEN_OVERFLOW } from '../nouns/index.ts';
import { findNetworkProblem } from '../nouns/networks.ts';
import { ACCESS_TOKEN_ALG, ID_TOKEN_ALG, SIGNING_ALGS } from '../nouns/signing-algs.ts';
import {
  applicationName,
  channel,
  clientId,
  clientSecret,
  email,
  exchangeTtl,
  findRefusal,
  flag,
  identifier,
  jwks,
  line,
  listOf,
  MIN_PASSWORD_LENGTH,
  organizationName,
  origin,
  password,
  permissions,
  redirectUri,
  resourceScope,
  scope,
  slug,
  tableId,
  text,
  username,
} from '../nouns/values.ts';
import { datasource } from './datasource-schema.ts';

const grant = z.enum(GRANTS, { error: `is an unknown grant; known are ${GRANTS.join(', ')}` });

const signingAlg = z.enum(SIGNING_ALGS);

const network = text('an IP address or CIDR block', findNetworkProblem);

const passwordHash = text('a bcrypt hash', (value) => findRefusal(() => toImportedHash(value)));

const host = text('a host name, with or without port', (value) =>
  isHostAndPort(value) ? undefined : 'is not a host name in lower case, with or without port',
);

const table = z.strictObject({
  id: tableId.describe('The name of the table in tokens and permissions.'),
  name: line.exactOptional().describe('For people; its id if left out.'),
});

const token = z.strictObject({
  format: z
    .enum(['jwt', 'opaque'])
    .exactOptional()
    .describe('The format of access tokens. A new resource has `jwt`.'),
  ttl: z
    .int()
    .min(10)
    .max(7 * 86_400)
    .exactOptional()
    .describe('Seconds that access tokens live. A new resource has `GRANTABLE_ACCESS_TOKEN_TTL`.'),
  alg: signingAlg
    .exactOptional()
    .describe(
      `The algorithm that signs its JWTs. A new resource has \`${ACCESS_TOKEN_ALG}\`. If the server does not have a key for it yet, it signs with the earlier algorithm for five minutes.`,
    ),
  typ: z
    .enum(['at+jwt', 'JWT'])
    .exactOptional()
    .describe(
      'The type (`typ`) in the header of JWTs. A new resource has `at+jwt` (RFC 9068). `JWT` is for verifiers that accept only that type. Then a `clientId` must not equal the identifier, or an ID token could pass for an access token.',
    ),
  overflow: z
    .enum(['reference', 'refuse'])
    .exactOptional()
    .describe(
      `What happens when permissions are too large for a JWT: \`reference\` gives an opaque token, which the resource server introspects; \`refuse\` refuses the request. A new resource has \`${TOKEN_OVERFLOW}\`.`,
    ),
});

export const resource = z
  .strictObject({
    identifier: identifier.describe(
      'The name of the resource in requests (RFC 8707) and the `aud` of its tokens, in the spelling in which it was first applied. Unique on the server; `https://host` and `https://host/` are the same.',
    ),
    name: line.exactOptional().describe('For people; its identifier if left out.'),
    enabled: flag.describe('`false`: no tokens for it, and its tokens end.'),
    catalogue: z
      .enum(['closed', 'open'])
      .exactOptional()
      .describe(
        '`closed`: only the listed tables exist. `open`: only the resource server knows which tables exist. A new resource has `closed`.',
      ),
    tables: listOf(table, ({ id }) => id)
      .exactOptional()
      .describe('All its tables; living tokens lose a table that is missing here.'),
    scopes: listOf(resourceScope)
      .exactOptional()
      .describe(
        'Scopes beside the permissions on tables. A scope that reads as one of its tables, such as `orders:read`, is refused.',
      ),
    token: token.exactOptional().describe('Settings of its access tokens.'),
    channel: channel
      .exactOptional()
      .describe(
        'The name of the channel on which changes of its data are announced; unique on the server. Answers to exchanges contain it.',
      ),
  })
  .describe('Something that tokens are for: an API or a database with its tables.');

export const role = z
  .strictObject({
    name: line.describe('Unique in the organization.'),
    enabled: flag.describe('`false`: it gives no rights.'),
    default: flag.describe('`true`: every user who registers gets it. One role at most.'),
    resource: identifier
      .exactOptional()
      .describe(
        "Identifier of the resource of its permissions; the organization's first resource if left out.",
      ),
    scopes: listOf(scope).exactOptional().describe('The scopes of that resource that it gives.'),
    permissions: permissions.exactOptional().describe('What it allows. A new role allows nothing.'),
  })
  .describe('Scopes and permissions for one resource, given to users.');

export const application = z
  .strictObject({
    name: applicationName.describe('Unique in the organization.'),
    enabled: flag.describe('`false`: no tokens for it, and its tokens end.'),
    clientId: clientId
      .exactOptional()
      .describe('Unique on the server; generated with the application if left out.'),
    clientSecret: clientSecret
      .exactOptional()
      .describe(
        'Generated with the application if it needs one and this is left out. Grantable stores a keyed hash of it only.',
      ),
    authMethod: z
      .enum(AUTH_METHODS)
      .exactOptional()
      .describe(
        'How it authenticates. A new application has `client_secret_basic`. `none` is for applications in browsers and on devices, which cannot keep a secret (public clients).',
      ),
    jwks: jwks.exactOptional().describe('Its public keys, for `private_key_jwt`.'),
    assertionAudience: z
      .enum(['issuer', 'endpoint'])
      .exactOptional()
      .describe(
        'What `aud` of its assertions may be. `issuer`: the issuer only, as in a new application. `endpoint`: the token endpoint also accepts its own URL, for libraries that always send it; then another server that the application trusts could use such an assertion here.',
      ),
    grants: listOf(grant).exactOptional().describe('The grants that it may use. A new application has none.'),
    scopes: listOf(scope)
      .exactOptional()
      .describe(
        'The scopes that it may request: those of its resources, and `openid`, `profile`, `email`, `offline_access`.',
      ),
    redirectUris: listOf(redirectUri)
      .exactOptional()
      .describe(
        'For `authorization_code`; compared as strings. They have `https`, `http` on this machine, or, for native applications, a scheme of their own.',
      ),
    postLogoutRedirectUris: listOf(redirectUri)
      .exactOptional()
      .describe('URIs to which a logout may redirect.'),
    allowedOrigins: listOf(origin)
      .exactOptional()
      .describe(
        'Origins of pages whose scripts may call the token, userinfo and revocation endpoints and faces (CORS): `https` or `http`, apps (`capacitor://localhost`, `ionic://localhost`, `tauri://localhost`) and browser extensions (`chrome-extension://...`, `moz-extension://...`, `safari-web-extension://...`).',
      ),
    native: flag.describe('`true`: an application on a phone or desktop (RFC 8252).'),
    firstParty: flag.describe(
      '`true`: an application of the operator, so people who log in are not asked for consent. Cannot be used with redirect URIs that have `http` on this machine or a scheme of their own.',
    ),
    pkce: z
      .enum(['required', 'optional'])
      .exactOptional()
      .describe(
        '`optional`: a login may omit PKCE. Only for an application that authenticates, and only at redirect URIs with `https` that are not on this machine. A new application has `required`.',
      ),
    realm: z
      .enum(['application', 'organization'])
      .exactOptional()
      .describe(
        "Whose users log in through it: the application's own users, or those of its organization. A new application has `application`.",
      ),
    minPasswordLength: z
      .int()
      .min(MIN_PASSWORD_LENGTH.user)
      .max(64)
      .exactOptional()
      .describe(
        `The minimum number of characters of new passwords of its users; ${MIN_PASSWORD_LENGTH.user} if never set.`,
      ),
    resource: identifier
      .exactOptional()
      .describe('Identifier of the resource that its tokens are for when a request names none.'),
    permissions: permissions
      .exactOptional()
      .describe(
        'The ceiling: the most that its tokens may allow for `resource`, even if its users may do more. Without a `resource`: for each resource that is registered through it.',
      ),
    resources: z
      .record(identifier, permissions)
      .exactOptional()
      .describe(
        'Further resources that a request may name: identifier, and the most that tokens may allow there.',
      ),
    introspects: listOf(identifier)
      .exactOptional()
      .describe(
        'Identifiers of the resources that it serves as an API: it may introspect the tokens for them.',
      ),
    mayExchange: listOf(applicationName)
      .exactOptional()
      .describe(
        'Names of the applications that may exchange its tokens and connection tokens, beside itself.',
      ),
    idTokenAlg: signingAlg
      .exactOptional()
      .describe(
        `The algorithm that signs its ID tokens. A new application has \`${ID_TOKEN_ALG}\`, which every OpenID Connect client knows. If the server does not have a key for it yet, it signs with the earlier algorithm for five minutes.`,
      ),
    maxExchangeTtl: exchangeTtl
      .exactOptional()
      .describe(
        'The most seconds that a token from an exchange of this application lives; a day if never set.',
      ),
  })
  .describe('An OAuth client that belongs to an organization.');

export const connection = z
  .strictObject({
    name: applicationName.describe('Unique in the organization.'),
    enabled: flag.describe('`false`: its token is refused, and tokens made from it end.'),
    application: applicationName.describe(
      'Name of the application that the connection belongs to. Cannot be changed later.',
    ),
    resource: identifier
      .exactOptional()
      .describe("Identifier of its resource; the application's own if left out. Cannot be changed later."),
    owner: username
      .exactOptional()
      .describe(
        'A user of the application. The connection never allows more than this user may do, and it ends when the user is disabled or removed. Cannot be changed later.',
      ),
    scopes: listOf(resourceScope)
      .exactOptional()
      .describe('The scopes that tokens made from it may have, at most.'),
    permissions: permissions
      .exactOptional()
      .describe('The most that tokens made from it may allow. A new connection allows nothing.'),
    lifetime: z
      .int()
      .min(60)
      .max(3650 * 86_400)
      .exactOptional()
      .describe('Seconds that it lives, counted from its creation. A new connection has 365 days.'),
    networks: listOf(network)
      .exactOptional()
      .describe('IP addresses and CIDR blocks from which its token is accepted; every address if empty.'),
    maxTokenTtl: exchangeTtl
      .exactOptional()
      .describe('The most seconds that a token made from it lives; a day if never set.'),
  })
  .describe(
    'A long-lived grant. Its connection token is exchanged for access tokens of at most a day (RFC 8693).',
  );

const settingsByFace = Object.fromEntries(
  builtInFaces.map(({ name, settings, description }) => [
    name,
    settings.exactOptional().describe(description),
  ]),
);

const ofUserByFace = Object.fromEntries(
  builtInFaces.flatMap(({ name, ofUser }) =>
    ofUser ? [[name, ofUser.schema.exactOptional().describe(ofUser.description)]] : [],
  ),
);

export const user = z
  .strictObject({
    username: username.describe('Unique in its realm, without regard to case.'),
    enabled: flag.describe('`false`: no login, and the tokens of the user end.'),
    application: slug
      .exactOptional()
      .describe('Name of the application that the user belongs to; the organization itself if left out.'),
    password: password
      .exactOptional()
      .describe(
        'Used when the user is created; generated then if both this and `passwordHash` are left out. A different one later is reported and not applied (`--reset-passwords` applies it).',
      ),
    passwordHash: passwordHash
      .exactOptional()
      .describe('Instead of `password`: a bcrypt hash made elsewhere (`$2a$`, `$2b$` or `$2y$`).'),
    email: email.exactOptional().describe('Unique in its realm. The user can log in with it.'),
    emailVerified: flag.describe('`true`: it was verified that the address belongs to the user.'),
    displayName: line.exactOptional().describe('For people.'),
    roles: listOf(line).exactOptional().describe('Names of all roles of the user.'),
    ...ofUserByFace,
  })
  .describe('A person who logs in.');

export const organization = z
  .strictObject({
    name: organizationName.describe('Unique on the server.'),
    enabled: flag.describe('`false`: everything of it is switched off, and its tokens end.'),
    default: flag.describe(
      '`true`: it answers requests to faces whose path and host do not name an organization. One organization at most.',
    ),
    hosts: listOf(host)
      .exactOptional()
      .describe('Which of `GRANTABLE_HOSTS` select this organization, at faces whose paths do not name one.'),
    clientId: clientId
      .exactOptional()
      .describe(
        `The client id of the organization itself, a client that may do everything with the resources of the organization (${titlesOf('organization clients')} has such clients). Unique on the server.`,
      ),
    clientSecret: clientSecret
      .exactOptional()
      .describe(
        'The secret of that client; generated if left out. Grantable stores a keyed hash of it only.',
      ),
    faces: z
      .strictObject(settingsByFace)
      .exactOptional()
      .describe('Faces: older token APIs that Grantable answers in their own format.'),
    roles: listOf(role, ({ name }) => name)
      .exactOptional()
      .describe('Its roles.'),
    resources: listOf(resource).exactOptional().describe('Its resources.'),
    applications: listOf(application, ({ name }) => name)
      .exactOptional()
      .describe('Its applications.'),
    users: listOf(user).exactOptional().describe('Its users, and those of its applications.'),
    connections: listOf(connection, ({ name }) => name)
      .exactOptional()
      .describe('Its connections.'),
    datasources: listOf(datasource, ({ name }) => name)
      .exactOptional()
      .describe('Its datasources.'),
  })
  .describe('A tenant of the server, with its own resources, applications and users.');

export const administrator = z
  .strictObject({
    username: username.describe('Unique among administrators, without regard to case.'),
    enabled: flag.describe('`false`: no login.'),
    password: password
      .exactOptional()
      .describe(
        'At least 15 characters. Used when the administrator is created; generated then if both this and `passwordHash` are left out. A different one later is reported and not applied (`--reset-passwords` applies it).',
      ),
    passwordHash: passwordHash
      .exactOptional()
      .describe('Instead of `password`: a bcrypt hash made elsewhere.'),
    email: email.exactOptional().describe('Unique among administrators.'),
    displayName: line.exactOptional().describe('For people.'),
    organizations: listOf(slug)
      .exactOptional()
      .describe('Names of all organizations that this person administers.'),
  })
  .describe(
    'A person who administers organizations, through faces that allow it. There is not a page for administrators yet.',
  );

export const applyFile = z.strictObject({
  organizations: listOf(organization, ({ name }) => name)
    .exactOptional()
    .describe('Organizations, each with all that belongs to it.'),
  administrators: listOf(administrator).exactOptional().describe('Administrators.'),
});

export type ApplyFile = z.output<typeof applyFile>;
export type ApplyOrganization = z.output<typeof organization>;
export type ApplyResource = z.output<typeof resource>;
export type ApplyRole = z.output<typeof role>;
export type ApplyApplication = z.output<typeof application>;
export type ApplyConnection = z.output<typeof connection>;
export type ApplyUser = z.output<typeof user>;
export type ApplyAdministrator = z.output<typeof administrator>;

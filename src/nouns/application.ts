/** Applications: the OAuth clients of organizations. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { fromStored, type StoredPermissions } from '../permissions/stored.ts';
import { type FileValue, twoValues } from './in-file.ts';
import { defineNoun, field, forPeople, type Noun, type NounOf, ofOrganization } from './noun.ts';
import { ID_TOKEN_ALG, idTokenAlgs, type SigningAlg } from './signing-algs.ts';
import {
  applicationName,
  clientId,
  clientSecret,
  exchangeTtl,
  identifier,
  jwks,
  line,
  listOf,
  MIN_PASSWORD_LENGTH,
  moment,
  origin,
  type Realm,
  realm,
  realmOf,
  redirectUri,
  scope,
  signingAlg,
  storedPermissions,
} from './values.ts';
import { permissionsOfCeiling, permissionsOfDefault } from './written-permissions.ts';

export const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** Whether a client that is registered with the method proves itself with a secret. */
export function usesSecret(method: AuthMethod): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post';
}

/** The name of the secret that an apply file says as `clientSecret`, or that is generated instead. */
export const DEFAULT_SECRET = 'default';

export const MOST_SECRETS = 10;

/** What a secret may be called. Unique in the application. */
export const secretName = line;

/** One of the secrets of an application. Its id names the node above what was made with it alone. */
const secret = z.strictObject({
  id: z.string(),
  name: secretName,
  hash: z.string().meta({ secret: true }).describe('HMAC-SHA-256 under the server key `clientSecrets`.'),
  seed: z
    .string()
    .exactOptional()
    .meta({ secret: true })
    .describe(
      'The secret is derived from this and a key of the server, so that the server can show it again.',
    ),
  createdAt: moment,
  expiresAt: moment.exactOptional(),
});

/** Short names of the grants that an application may use, as in the apply file. */
export const GRANTS = [
  'client_credentials',
  'password',
  'refresh_token',
  'authorization_code',
  'token_exchange',
  'database_user',
  'identity_assertion',
] as const;
export type Grant = (typeof GRANTS)[number];

/** Its type is any text, because faces ask for their grants by names of their own. */
const grant: z.ZodType<string, string> = z.enum(GRANTS, {
  error: `is an unknown grant; known are ${GRANTS.join(', ')}`,
});

/** How an agent registered itself: by a document at the URL that is its `client_id`, or at the registration endpoint. */
export const AGENT_KINDS = ['document', 'registered'] as const;

/** A changed agent is unknown again, so its id changes with what it says. */
const agent = z.strictObject({
  kind: z.enum(AGENT_KINDS),
  id: z.string().describe('Names the node above all that it was given while it says this of itself.'),
  document: z.string().describe('Hash of what it says of itself: name, redirect URIs, keys and grants.'),
});

const approval = z.strictObject({
  document: z.string().describe('`agent.document` as it was approved.'),
  at: moment,
  by: z.string().describe('Subject of the administrator.'),
});

/** A ceiling speaks of exactly one resource. */
const ceiling = z.strictObject({ resource: identifier, permissions: storedPermissions });

/** What a file says of the ceilings, beside `resource`. */
const ceilingMembers = {
  permissions: permissionsOfCeiling
    .exactOptional()
    .describe(
      'The ceiling: the most that its tokens may allow for `resource`, even if its users may do more. Without a `resource`: for each resource that is registered through it.',
    ),
  resources: z
    .record(identifier, permissionsOfCeiling)
    .exactOptional()
    .describe(
      'Further resources that a request may name: identifier, and the most that tokens may allow there.',
    ),
};

type Ceilings = readonly { readonly resource: string; readonly permissions: StoredPermissions }[];

function ceilingsInFile(ceilings: Ceilings, { resource }: { resource?: string }) {
  const rights = ceilings.map((each) => [each.resource, fromStored(each.permissions)] as const);
  const own = rights.find(([each]) => each === resource);
  return {
    ...(own && { permissions: own[1] }),
    resources: Object.fromEntries(rights.filter(([each]) => each !== resource)),
  };
}

function showCeilings(ceilings: Ceilings) {
  return Object.fromEntries(
    ceilings.map(({ resource, permissions }) => [`permissions for ${resource}`, fromStored(permissions)]),
  );
}

/** Whether a person registered it, or it registered itself: it has at most what another application has. */
export function isRegistered(noun: {
  readonly owner?: string;
  readonly registeredThrough?: string;
}): boolean {
  return noun.owner !== undefined || noun.registeredThrough !== undefined;
}

function isOfOperator(
  noun: Parameters<typeof isRegistered>[0] & { readonly enabled: boolean; readonly isOrganization?: boolean },
): boolean {
  return noun.enabled && !noun.isOrganization && !isRegistered(noun);
}

/** Whether a `client_id` is a URL, as those of agents with a document are. */
export function isUrl(clientId: string): boolean {
  return clientId.startsWith('https:');
}

/** By which the agent of a URL is unique: each organization has its own. */
export function agentKey(organization: string, clientId: string): string {
  return `${organization} ${clientId}`;
}

/** An operator of another organization may call an application what is the URL of an agent. */
export function uniqueClientId(noun: {
  readonly clientId: string;
  readonly organization: string;
  readonly agent?: { readonly kind: string };
}): string {
  return noun.agent?.kind === 'document' ? agentKey(noun.organization, noun.clientId) : noun.clientId;
}

export interface OfOrganization extends Noun {
  readonly organization: string;
}

export const application = defineNoun({
  singular: 'application',
  describe: 'An OAuth client that belongs to an organization.',
  fields: {
    organization: ofOrganization,
    name: field(applicationName, { effect: 'none', describe: 'Unique in the organization.' }),
    ...forPeople,
    enabled: field(z.boolean(), {
      effect: 'ends',
      initially: true,
      describe: '`false`: no tokens for it, and its tokens end.',
    }),
    clientId: field(clientId, {
      effect: 'none',
      fixed: true,
      initially: () => randomBytes(12).toString('hex'),
      describe: 'Unique on the server; generated with the application if left out.',
    }),
    /** Each authenticates it until it expires. None for public and key-based clients. */
    secrets: field(z.array(secret).max(MOST_SECRETS), {
      effect: 'none',
      initially: [],
      secret: true,
      inFile: { key: 'clientSecret', schema: clientSecret.exactOptional() },
      describe:
        'Its secret with the name `default`. Generated with the application if it needs a secret, has none and this is left out. Another value replaces this secret and ends the tokens that were made with it alone; other secrets of the application stay. Grantable stores a keyed hash of it only.',
    }),
    authMethod: field(z.enum(AUTH_METHODS), {
      effect: 'none',
      initially: 'client_secret_basic',
      describe:
        'How it authenticates. A new application has `client_secret_basic`. `none` is for applications in browsers and on devices, which cannot keep a secret (public clients).',
    }),
    jwks: field(jwks.exactOptional(), {
      effect: 'none',
      inFile: { shown: (value: { keys: unknown } | undefined) => ({ jwks: value?.keys }) },
      describe: 'Its public keys, for `private_key_jwt`.',
    }),
    /** `endpoint`: its assertions may name the token endpoint instead of the issuer, at that endpoint. */
    assertionAudience: field(z.literal('endpoint').exactOptional(), {
      effect: 'none',
      inFile: twoValues(z.enum(['issuer', 'endpoint']), 'issuer'),
      describe:
        'What `aud` of its assertions may be. `issuer`: the issuer only, as in a new application. `endpoint`: the token endpoint also accepts its own URL, for libraries that always send it; then another server that the application trusts could use such an assertion here.',
    }),
    grants: field(listOf(grant), {
      effect: 'narrows',
      initially: [],
      describe: 'The grants that it may use. A new application has none.',
    }),
    scopes: field(listOf(scope), {
      effect: 'narrows',
      initially: [],
      describe:
        'The scopes that it may request: those of its resources, and `openid`, `profile`, `email`, `offline_access`.',
    }),
    redirectUris: field(listOf(redirectUri), {
      effect: 'none',
      initially: [],
      describe:
        'For `authorization_code`; compared as strings. They have `https`, `http` on this machine, or, for native applications, a scheme of their own.',
    }),
    postLogoutRedirectUris: field(listOf(redirectUri), {
      effect: 'none',
      initially: [],
      describe: 'URIs to which a logout may redirect.',
    }),
    allowedOrigins: field(listOf(origin), {
      effect: 'none',
      initially: [],
      describe:
        'Origins of pages whose scripts may call the token, userinfo and revocation endpoints and faces (CORS): `https` or `http`, apps (`capacitor://localhost`, `ionic://localhost`, `tauri://localhost`) and browser extensions (`chrome-extension://...`, `moz-extension://...`, `safari-web-extension://...`).',
    }),
    native: field(z.boolean(), {
      effect: 'none',
      initially: false,
      describe: '`true`: an application on a phone or desktop (RFC 8252).',
    }),
    firstParty: field(z.literal(true).exactOptional(), {
      effect: 'none',
      inFile: twoValues(z.boolean(), false),
      describe:
        '`true`: an application of the operator, so people who log in are not asked for consent. Cannot be used with redirect URIs that have `http` on this machine or a scheme of their own.',
    }),
    dangerous: field(z.literal(true).exactOptional(), {
      effect: 'none',
      inFile: twoValues(z.boolean(), false),
      describe:
        '`true`: with a token of its own for the administration it may also do what takes a fresh login of a person: change administrative rights, keys, secrets and hosts of datasources, export and prune.',
    }),
    pkce: field(z.literal('optional').exactOptional(), {
      effect: 'none',
      inFile: twoValues(z.enum(['required', 'optional']), 'required'),
      describe:
        '`optional`: a login may omit PKCE. Only for an application that authenticates. A native application needs PKCE at redirect URIs that are on this machine or have a scheme of their own. A new application has `required`.',
    }),
    realm: field(realm, {
      effect: 'restarts',
      initially: ({ id }: Noun) => `application:${id}` as const,
      inFile: {
        schema: z.enum(['application', 'organization']).exactOptional(),
        fromFile: ({ said, noun }: FileValue<'application' | 'organization', Realm, OfOrganization>) =>
          said === 'organization' ? realmOf(noun.organization) : `application:${noun.id}`,
        toFile: (value: Realm, { id }: Noun) =>
          value === `application:${id}` ? 'application' : 'organization',
      },
      describe:
        "Whose users log in through it: the application's own users, or those of its organization. A new application has `application`.",
    }),
    minPasswordLength: field(z.int().min(MIN_PASSWORD_LENGTH.user).max(64).exactOptional(), {
      effect: 'none',
      describe: `The minimum number of characters of new passwords of its users; ${MIN_PASSWORD_LENGTH.user} if never set.`,
    }),
    resource: field(identifier.exactOptional(), {
      effect: 'narrows',
      describe: 'Identifier of the resource that its tokens are for when a request names none.',
    }),
    ceilings: field(z.array(ceiling), {
      effect: 'narrows',
      initially: [],
      names: (ceilings: Ceilings) => ceilings.map(({ resource }) => ({ kind: 'resource', to: resource })),
      inFile: { members: ceilingMembers, toFile: ceilingsInFile, shown: showCeilings },
      describe: 'The most that its tokens may allow, for each resource that they may be for.',
    }),
    registeredCeiling: field(storedPermissions.exactOptional(), {
      effect: 'narrows',
      inFile: {
        members: {},
        toFile: (stored: StoredPermissions | undefined) => stored && { permissions: fromStored(stored) },
      },
      describe: 'The most that tokens may allow for each resource that is registered through it.',
    }),
    introspects: field(listOf(identifier), {
      effect: 'none',
      initially: [],
      refersTo: 'resource',
      describe:
        'Identifiers of the resources that it serves as an API: it may introspect the tokens for them.',
    }),
    mayExchange: field(listOf(z.string()), {
      effect: 'narrows',
      initially: [],
      refersTo: 'application',
      mayComeLater: true,
      inFile: { schema: listOf(applicationName).exactOptional() },
      describe:
        'Names of the applications that may exchange its tokens and connection tokens, beside itself.',
    }),
    idTokenAlg: field(signingAlg.exactOptional(), {
      effect: 'none',
      inFile: { toFile: (value: SigningAlg | undefined) => value ?? ID_TOKEN_ALG },
      describe: `The algorithm that signs its ID tokens. A new application has \`${ID_TOKEN_ALG}\`, which every OpenID Connect client knows. If the server does not have a key for it yet, it signs with the earlier algorithm for five minutes.`,
    }),
    idTokenAlgsBefore: field(z.array(signingAlg).exactOptional(), {
      effect: 'none',
      derived: true,
      describe:
        'Algorithms that sign until the key of `idTokenAlg` may, the latest first; absent: there was no earlier one.',
    }),
    maxExchangeTtl: field(exchangeTtl.exactOptional(), {
      effect: 'none',
      describe:
        'The most seconds that a token from an exchange of this application lives; a day if never set.',
    }),
    isOrganization: field(z.boolean().exactOptional(), {
      effect: 'none',
      inFile: false,
      describe: 'It is the organization itself, as a client: made for the `clientId` of the organization.',
    }),
    owner: field(z.string().exactOptional(), {
      effect: 'none',
      fixed: true,
      refersTo: 'user',
      inFile: false,
      describe: 'Id of the user who registered it: it has at most their rights, and ends with them.',
    }),
    registeredThrough: field(z.string().exactOptional(), {
      effect: 'none',
      fixed: true,
      refersTo: 'application',
      inFile: false,
      describe: 'Id of the application that it was registered through, whose ceiling bounds its own.',
    }),
    default: field(storedPermissions.exactOptional(), {
      effect: 'none',
      inFile: permissionsOfDefault,
      describe:
        'For the application that `agents` of the organization names: what an agent gets for `resource` that names no rights. Without it such a request is refused.',
    }),
    agent: field(agent.exactOptional(), {
      effect: 'none',
      inFile: false,
      describe:
        'Set for an agent: an application that registered itself. Another `id` ends what the agent was given before.',
    }),
    agentApproval: field(approval.exactOptional(), {
      effect: 'narrows',
      inFile: false,
      describe:
        'Set for an agent that an administrator approved. It counts while the agent says of itself what it said then.',
    }),
    agentUnusedSince: field(moment.exactOptional(), {
      effect: 'none',
      inFile: false,
      describe: 'When an agent was first seen without tokens and logins. Absent: it has some.',
    }),
    registrationToken: field(z.string().exactOptional(), {
      effect: 'none',
      secret: true,
      inFile: false,
      describe: 'Hash of the token with which an agent that registered reads, changes and removes itself.',
    }),
    homepage: field(z.string().exactOptional(), {
      effect: 'none',
      inFile: false,
      describe: 'Where people learn more of it.',
    }),
    userTokenTtl: field(z.number().exactOptional(), {
      effect: 'none',
      inFile: false,
      describe: "Seconds that its users' tokens live, at most and unless they ask for less.",
    }),
  },
  unique: {
    clientId: uniqueClientId,
    name: (noun) => `${noun.organization}/${noun.name}`,
  },
  listed: {
    origin: ({ enabled, allowedOrigins }) => (enabled ? allowedOrigins : []),
    grant: ({ enabled, grants }) => (enabled ? grants : []),
    /** Disabled ones count, so that enabling them costs no wait. */
    algs: (noun) => idTokenAlgs(noun).join(' '),
    /** Of those that can get an ID token. */
    idTokenAlgs: (noun) =>
      noun.enabled && noun.grants.includes('authorization_code') ? idTokenAlgs(noun).join(' ') : undefined,
    /** The organization, of those that operators made and that are not the organization itself. */
    ofOperator: (noun) => (isOfOperator(noun) ? noun.organization : undefined),
    /** The same, of those that have a resource of their own. */
    ownResource: (noun) =>
      noun.resource !== undefined && isOfOperator(noun) ? noun.organization : undefined,
    /** That it has rights to, or answers for. */
    resource: ({ ceilings, introspects }) => [...ceilings.map(({ resource }) => resource), ...introspects],
    owner: ({ owner }) => owner,
    registeredThrough: ({ registeredThrough }) => registeredThrough,
    assertionAudience: ({ assertionAudience }) => assertionAudience,
    /** The `client_id` of an agent with a document, which several organizations may know. */
    agent: ({ agent: of, clientId: id }) => (of?.kind === 'document' ? id : undefined),
    /** The organization of an agent. */
    agentOf: ({ agent: of, organization }) => of && organization,
  },
});

export interface Application extends NounOf<typeof application> {}

export type ApplicationSecret = Application['secrets'][number];

export type Ceiling = Application['ceilings'][number];

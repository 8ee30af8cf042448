/**
 * The administered nouns as they are stored: plain data, no behaviour. Every store keeps them as documents in a
 * `Collection`; `uniqueKeys` and `listedKeys` below say once, for all stores, what must be unique and by what else nouns
 * are found.
 */

import type { StoredPermissions } from '../permissions/stored.ts';
import { type AlgChoice, accessTokenAlgs, idTokenAlgs, type SigningAlg } from './signing-algs.ts';

export type { StoredDeviceAccess } from '../permissions/device-access.ts';
export type { StoredPermissions } from '../permissions/stored.ts';

/** What every administered noun has. */
export interface Noun {
  /** A UUID; never used again once given, so nothing of a removed noun attaches to one made anew. */
  readonly id: string;
  /** Sequential, unique per collection on this server; older APIs name things by it. Given by the store. */
  readonly number: number;
  /** Starts at 1 and grows by one at each replacement; a stale writer is refused. Given by the store. */
  readonly version: number;
  readonly enabled: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

const NOUN_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether the text is written as ids of nouns are: an operator may name a noun by its id too. */
export function isNounId(text: string): boolean {
  return NOUN_ID.test(text);
}

/** How one of the older token APIs is answered for an organization. */
export interface FaceSettings {
  readonly enabled: boolean;
  /** Id of the application whose users, grants and ceiling it uses; absent where the path names one. */
  readonly application?: string;
  /** Whether strangers may register. */
  readonly registration: boolean;
  /** Seconds that its tokens live; absent: as the original's. */
  readonly ttl?: number;
  /** Seconds that a login lasts; absent: as the original's. */
  readonly refreshTtl?: number;
  /** Whether administrators of the organization log in through it. */
  readonly administrators?: boolean;
  /** What else the face declares. */
  readonly [setting: string]: unknown;
}

/** As the list of faces has it. */
export type FaceName = string;

export interface Organization extends Noun {
  /** A slug, unique on the server. */
  readonly name: string;
  /** Answers the faces whose paths name no organization. */
  readonly default: boolean;
  readonly hosts: readonly string[];
  readonly faces?: Readonly<Record<FaceName, FaceSettings>>;
}

/** A ceiling speaks of exactly one resource. */
export interface Ceiling {
  /** The resource's `identifier` (RFC 8707). */
  readonly resource: string;
  readonly permissions: StoredPermissions;
}

export const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** Whether a client that is registered with the method proves itself with a secret. */
export function usesSecret(method: AuthMethod): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post';
}

/** Short names of the grants that an application may use, as in the apply file. */
export const GRANTS = [
  'client_credentials',
  'password',
  'refresh_token',
  'authorization_code',
  'token_exchange',
  'database_user',
] as const;
export type Grant = (typeof GRANTS)[number];

export interface Application extends Noun {
  readonly organization: string;
  readonly name: string;
  /** Whose users log in through it: its own, or its organization's. */
  readonly realm: Realm;
  readonly clientId: string;
  readonly authMethod: AuthMethod;
  /** HMAC-SHA-256 of the secret under the server key `clientSecrets`; absent for public and key-based clients. */
  readonly secretHash?: string;
  /** Public keys of a `private_key_jwt` client. */
  readonly jwks?: { readonly keys: readonly Record<string, unknown>[] };
  /** Of `GRANTS`. */
  readonly grants: readonly string[];
  readonly scopes: readonly string[];
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly native: boolean;
  /** The operator owns it, so people are not asked for consent. */
  readonly firstParty?: true;
  /** `optional`: logins may go without a code challenge (PKCE); absent: they need one. */
  readonly pkce?: 'optional';
  /** `endpoint`: its assertions may name the token endpoint instead of the issuer, at that endpoint. */
  readonly assertionAudience?: 'endpoint';
  /** Identifier of the resource its tokens are for unless a request names another of `ceilings`. */
  readonly resource?: string;
  readonly ceilings: readonly Ceiling[];
  /** The most that tokens may allow for each resource that is registered through it. */
  readonly registeredCeiling?: StoredPermissions;
  /** Identifiers of the resources this application answers for: it may introspect their tokens. */
  readonly introspects: readonly string[];
  /** Ids of the applications that may exchange its tokens and connection tokens, beside itself. */
  readonly mayExchange: readonly string[];
  /** Seconds that a token from an exchange may live at most; absent: a day. */
  readonly maxExchangeTtl?: number;
  /** Realm setting for its users; undefined means the server's. */
  readonly minPasswordLength?: number;
  /** It is the organization itself, as a client: made for the `clientId` of the organization. */
  readonly isOrganization?: boolean;
  /** Id of the user who registered it: it has at most their rights, and ends with them. */
  readonly owner?: string;
  /** Id of the application that it was registered through, whose ceiling bounds its own. */
  readonly registeredThrough?: string;
  /** Where people learn more of it. */
  readonly homepage?: string;
  /** The secret is derived from this and a key of the server, so that the server can show it again. */
  readonly secretSeed?: string;
  /** Signs its ID tokens; absent: RS256. */
  readonly idTokenAlg?: SigningAlg;
  /** Algorithms that sign until the key of `idTokenAlg` may, the latest first; absent: there was no earlier one. */
  readonly idTokenAlgsBefore?: AlgChoice;
  /** Seconds that its users' tokens live, at most and unless they ask for less. */
  readonly userTokenTtl?: number;
}

export interface Role extends Noun {
  readonly organization: string;
  readonly name: string;
  /** Given on registration. */
  readonly default: boolean;
  readonly resource: string;
  readonly scopes: readonly string[];
  readonly permissions: StoredPermissions;
}

export interface Table {
  readonly id: string;
  readonly name: string;
}

export type TokenOverflow = 'refuse' | 'reference';

/** Default of a new resource: an application with many tables gets a token without asking for less. */
export const TOKEN_OVERFLOW = 'reference' satisfies TokenOverflow;

export interface Resource extends Noun {
  readonly organization: string;
  /** An absolute URI (RFC 8707), unique across the issuer. */
  readonly identifier: string;
  readonly name: string;
  readonly catalogue: 'closed' | 'open';
  readonly tables: readonly Table[];
  readonly scopes: readonly string[];
  readonly token: {
    readonly format: 'jwt' | 'opaque';
    /** Seconds. */
    readonly ttl: number;
    readonly alg: SigningAlg;
    /** Type of JWTs, in their header; absent: `at+jwt` (RFC 9068). */
    readonly typ?: 'JWT';
    /** Algorithms that sign until the key of `alg` may, the latest first; absent: there was no earlier one. */
    readonly algsBefore?: AlgChoice;
    /** `reference`: permissions too large for a JWT are handed out behind an opaque token instead of being refused. */
    readonly overflow: TokenOverflow;
  };
  /** Where its changes are announced; unique on the server. */
  readonly channel?: string;
  /** Id of the application that it was registered through. */
  readonly registeredBy?: string;
  /** Id of the user who registered it and is its admin. */
  readonly owner?: string;
}

/** Where a user lives: `management`, `organization:<id>` or `application:<id>`. Part of every subject. */
export type Realm = 'management' | `organization:${string}` | `application:${string}`;

export interface User extends Noun {
  readonly realm: Realm;
  /** The organization that owns the realm; administrators have none. */
  readonly organization?: string;
  /** As typed at registration, for display. */
  readonly username: string;
  /** The form that is compared: see nouns/usernames.ts. */
  readonly canonicalUsername: string;
  readonly email?: string;
  readonly canonicalEmail?: string;
  readonly emailVerified: boolean;
  readonly displayName?: string;
  /** Self-describing, see directory/passwords.ts. Absent: no password login. */
  readonly passwordHash?: string;
  /** Milliseconds since the epoch. */
  readonly passwordChangedAt?: number;
  /** A second factor is set up: the password grant is refused. */
  readonly secondFactor: boolean;
  /** Registered, but the email address is not confirmed yet: the user cannot log in. */
  readonly pending?: boolean;
  /** What faces keep on them, as each declares it. */
  readonly faces?: Readonly<Record<FaceName, Readonly<Record<string, unknown>>>>;
  /** Role ids. */
  readonly roles: readonly string[];
  /** For administrators: organization ids they may administer. */
  readonly administers: readonly string[];
}

/** A secret of a connection; its id is a node, above all that was made with the secret. */
export interface ConnectionSecret {
  readonly id: string;
  /** SHA-256 of the connection token, base64url. */
  readonly hash: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** A long-lived grant: a client exchanges its token for short-lived ones with at most its rights. */
export interface Connection extends Noun {
  readonly organization: string;
  readonly name: string;
  /** The application's id. */
  readonly application: string;
  /** The resource's `identifier`. */
  readonly resource: string;
  /** Id of the user it belongs to: it never allows more than they may do. */
  readonly owner?: string;
  readonly scopes: readonly string[];
  readonly permissions: StoredPermissions;
  /** Milliseconds since the epoch; absent: it lives until it is ended. */
  readonly expiresAt?: number;
  /** Newest first; an earlier one is valid until it is removed. */
  readonly secrets: readonly ConnectionSecret[];
  /** Networks (CIDR) that it may be used from; empty: from anywhere. */
  readonly networks: readonly string[];
  /** Seconds that a token made from it may live at most; absent: a day. */
  readonly maxTokenTtl?: number;
}

export type DatasourceKind = 'postgres' | 'mysql' | 'mongodb' | 'sqlite';

/** A table or collection of a datasource whose rows are people who log in, and the columns that a login reads. */
export interface UserTable {
  /** A UUID that stays as long as the four names below. */
  readonly id: string;
  readonly enabled: boolean;
  readonly database: string;
  readonly collection: string;
  readonly usernameColumn: string;
  readonly passwordColumn: string;
  /** One of `datasources/password-formats`. */
  readonly passwordFormat: string;
  readonly saltColumn?: string;
  /** Where the salt stands beside the password; absent: before it. */
  readonly saltOrder?: 'before' | 'after';
  /** The key of a keyed digest, sealed. */
  readonly sealedSecret?: string;
  /** Identifies a row permanently; part of the subject of tokens. */
  readonly subjectColumn: string;
  readonly activeColumn?: string;
  /** Further conditions on a row; `equals` is JSON of a text, number, boolean or null. */
  readonly conditions: readonly { readonly column: string; readonly equals: string }[];
  /** Ids of the roles that every row has. */
  readonly roles: readonly string[];
  readonly roleColumn?: string;
  /** Ids of the roles that values of `roleColumn` stand for. */
  readonly roleMap: readonly { readonly value: string; readonly role: string }[];
  /** Columns that are copied into tokens. */
  readonly claims: readonly { readonly claim: string; readonly column: string }[];
  readonly passwordChangedAtColumn?: string;
  /** Its people log in through the applications of this realm. */
  readonly realm: Realm;
  /** Whether the catalogue of the database was seen to have all these columns. */
  readonly verified: boolean;
}

/** A customer's database that people log in against. */
export interface Datasource extends Noun {
  readonly organization: string;
  readonly name: string;
  readonly kind: DatasourceKind;
  /** Of SQLite: a path below `<data dir>/datasources`. */
  readonly file?: string;
  /** Of all others. */
  readonly server?: DatasourceServer;
  /** The password of `server.username`; opens for this datasource of this organization only. */
  readonly sealedPassword?: string;
  /** Whether logins accept passwords that are stored in the clear or as MD5. */
  readonly insecurePasswords: boolean;
  readonly userTables: readonly UserTable[];
}

export interface DatasourceServer {
  readonly host: string;
  readonly port?: number;
  readonly username?: string;
  readonly tls: 'verify' | 'off';
  /** Certificates (PEM) that its certificate must lead to, instead of the well-known ones. */
  readonly ca?: string;
}

export interface Nouns {
  readonly organizations: Organization;
  readonly applications: Application;
  readonly roles: Role;
  readonly resources: Resource;
  readonly users: User;
  readonly connections: Connection;
  readonly datasources: Datasource;
}

export type CollectionName = keyof Nouns;

/** A noun before its store gives it a number and a version. */
export type NewNoun<T> = Omit<T, 'number' | 'version'>;

/** The first version of a noun. */
export function toFirstVersion<T extends Noun>(given: NewNoun<T>, number: number): T {
  const noun: object = { ...given, number, version: 1 };
  return noun as T;
}

/** What a noun is found by that no other noun of its collection may have. */
type Uniques<T> = Readonly<Record<string, (noun: T) => string | undefined>>;

/** For each unique key of a collection: its name and a function that makes its value, or undefined for a noun without one. */
export const uniqueKeys = {
  organizations: { name: (noun) => noun.name },
  applications: {
    clientId: (noun) => noun.clientId,
    name: (noun) => `${noun.organization}/${noun.name}`,
  },
  roles: { name: (noun) => `${noun.organization}/${noun.name}` },
  resources: {
    identifier: (noun) => noun.identifier,
    channel: (noun) => (noun.channel === undefined ? undefined : `${noun.organization}/${noun.channel}`),
  },
  users: {
    username: (noun) => `${noun.realm}/${noun.canonicalUsername}`,
    email: (noun) => (noun.canonicalEmail === undefined ? undefined : `${noun.realm}/${noun.canonicalEmail}`),
  },
  connections: { name: (noun) => `${noun.organization}/${noun.name}` },
  datasources: { name: (noun) => `${noun.organization}/${noun.name}` },
} as const satisfies { readonly [C in CollectionName]: Uniques<Nouns[C]> };

/** The name of a unique key of the collection. */
export type UniqueKey<C extends CollectionName> = keyof (typeof uniqueKeys)[C] & string;

/** The value of a noun under each unique key that it has one for. */
export function uniqueValuesOf<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
): readonly (readonly [key: string, value: string])[] {
  // The compiler does not see that a collection's name and its nouns belong together.
  const uniques = uniqueKeys[collection] as unknown as Uniques<Nouns[C]>;
  return Object.entries(uniques).flatMap(([key, toValue]) => {
    const value = toValue(noun);
    return value === undefined ? [] : [[key, value] as const];
  });
}

/** As a listed value: that an organization is the default one. No host is called so. */
export const DEFAULT_HOST = '';

/** What nouns are found by that several may have, so that no question needs a look at all nouns. */
type Lists<T> = Readonly<Record<string, (noun: T) => readonly string[]>>;

/**
 * For each listed key of a collection: its name and a function that makes its values. The stores keep the values beside
 * the nouns: a change here needs a further migration step of each store, which fills them again.
 */
export const listedKeys = {
  organizations: {
    host: ({ enabled, hosts, default: isDefault }) =>
      enabled ? [...hosts, ...(isDefault ? [DEFAULT_HOST] : [])] : [],
    face: ({ enabled, faces = {} }) =>
      enabled ? Object.keys(faces).filter((name) => faces[name]?.enabled) : [],
  },
  applications: {
    origin: ({ enabled, allowedOrigins }) => (enabled ? allowedOrigins : []),
    grant: ({ enabled, grants }) => (enabled ? grants : []),
    /** Disabled ones count, so that enabling them costs no wait. */
    algs: (noun) => [idTokenAlgs(noun).join(' ')],
    /** Of those that can get an ID token. */
    idTokenAlgs: (noun) =>
      noun.enabled && noun.grants.includes('authorization_code') ? [idTokenAlgs(noun).join(' ')] : [],
    /** The organization, of those that operators made and that are not the organization itself. */
    ofOperator: ({ enabled, organization, isOrganization, owner }) =>
      enabled && !isOrganization && owner === undefined ? [organization] : [],
    /** The same, of those that have a resource of their own. */
    ownResource: ({ enabled, organization, resource, isOrganization, owner }) =>
      enabled && resource !== undefined && !isOrganization && owner === undefined ? [organization] : [],
    /** That it has rights to, or answers for. */
    resource: ({ ceilings, introspects }) => [...ceilings.map(({ resource }) => resource), ...introspects],
    owner: ({ owner }) => (owner === undefined ? [] : [owner]),
    assertionAudience: ({ assertionAudience }) =>
      assertionAudience === undefined ? [] : [assertionAudience],
  },
  roles: {
    default: (noun) => (noun.default ? [noun.organization] : []),
    resource: ({ resource }) => [resource],
  },
  resources: { algs: ({ token }) => [accessTokenAlgs(token).join(' ')] },
  users: { administers: ({ administers }) => administers },
  connections: { resource: ({ resource }) => [resource] },
  datasources: {},
} as const satisfies { readonly [C in CollectionName]: Lists<Nouns[C]> };

/** The name of a listed key of any collection. */
export type ListedKey = { [C in CollectionName]: keyof (typeof listedKeys)[C] }[CollectionName];

/** The values of a noun under each listed key that it has values for, each value once. */
export function listedValuesOf<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
): readonly (readonly [key: string, values: readonly string[]])[] {
  // The compiler does not see that a collection's name and its nouns belong together.
  const lists = listedKeys[collection] as unknown as Lists<Nouns[C]>;
  return Object.entries(lists)
    .map(([key, toValues]) => [key, [...new Set(toValues(noun))]] as const)
    .filter(([, values]) => values.length > 0);
}

/** The organization that a change of the noun concerns; an organization concerns itself. */
export function organizationOf<C extends CollectionName>(collection: C, noun: Nouns[C]): string | undefined {
  return collection === 'organizations' ? noun.id : (noun as { organization?: string }).organization;
}

/**
 * Collections whose nouns come and go without changing the rights of other users or applications. The server reads
 * them from the store each time, so their changes do not move the directory's revision.
 */
export const withoutRevision: ReadonlySet<CollectionName> = new Set(['users', 'connections']);

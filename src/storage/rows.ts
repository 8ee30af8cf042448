/**
 * The rows of access tokens and logins: what was granted to whom, and what hangs above it. Every time is in
 * milliseconds since the epoch; claims and answers have seconds.
 *
 * Members that both have are declared once, and a login copies them from the token that it begins with.
 */
import type { FaceName, StoredDeviceAccess, StoredPermissions } from '../nouns/index.ts';

/** Whose rights bound a token that was exchanged, beside its own application's and subject's. */
export interface Bound {
  /** The application's UUID. */
  readonly application: string;
  /** Of the user or database account, where the subject was one. */
  readonly subject?: string;
  /** Where the subject was a database account. */
  readonly account?: AccountRef;
  /** It had power over the next one in the chain, who needs no leave of its application. */
  readonly acts?: boolean;
}

/** Values of columns as tokens show them: a database's own types have become these. */
export type ColumnValues = Readonly<Record<string, string | number | boolean>>;

/** The user table that a person logged in through, and what their row says that rights may depend on. */
export interface AccountRef {
  /** Its id. */
  readonly datasource: string;
  /** Its id. */
  readonly userTable: string;
  /** Values of the role column. */
  readonly groups: readonly string[];
  /** Those of the columns that claims are copied from, by column; absent: none is known. */
  readonly columns?: ColumnValues;
}

/** One row of a user table, as of the last time it was read. */
export interface AccountFacts extends AccountRef {
  /** The value of the subject column, prefixed with its type. */
  readonly key: string;
  readonly username: string;
  /** A keyed hash of the stored password and of when it was changed. */
  readonly mark: string;
}

/** The key that a client proved to have, by its thumbprint (RFC 7800 `cnf`; RFC 9449 section 6, RFC 8705 section 3.1). */
export interface ProvenKey {
  /** Of a DPoP key. */
  readonly jkt?: string;
  /** Of a certificate. */
  readonly 'x5t#S256'?: string;
}

/** OpenID Connect facts of a login in the browser, which refreshed tokens carry on. */
export interface OpenIdFacts {
  readonly scope: string;
  /** The client that the person agreed to. */
  readonly clientId: string;
  readonly grantId: string;
  readonly claims?: Record<string, unknown>;
  readonly nonce?: string;
  readonly sid?: string;
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly sessionUid?: string;
}

/** What an access token and a login have in common. */
export interface GrantedRow {
  /** Public id, and its own node. */
  readonly id: string;
  readonly grantType: string;
  readonly subject: string;
  /** Id of the user, where the subject is one. */
  readonly user?: string;
  readonly organization: string;
  /** The application's UUID. */
  readonly application: string;
  readonly clientId: string;
  /** Identifier of its only resource; absent if only userinfo accepts it. */
  readonly resource?: string;
  readonly scope: string;
  /** What was granted; what it allows is this ∩ the current rights. */
  readonly permissions: StoredPermissions;
  /** The client asked for the permissions as table scopes; each answer derives those scopes from them. */
  readonly asScopes?: boolean;
  /** Absent: it says nothing about devices. */
  readonly devices?: StoredDeviceAccess;
  /** Ids of the nodes above it. */
  readonly ancestors: readonly string[];
  /** The nearest login, token or connection among them: what it was made from. */
  readonly parent?: string;
  /** Milliseconds: when the rights it was made from were read. Compared with node records. */
  readonly asOf: number;
  /** Milliseconds; of a token a whole second, as in its claims. Nothing that happens later extends it. */
  readonly expiresAt: number;
  /** Milliseconds: when the person logged in. */
  readonly authenticatedAt?: number;
  readonly act?: Record<string, unknown>;
  /** Number of exchanges since the first grant. */
  readonly depth?: number;
  /** From the first in the chain to its parent's. */
  readonly bounds?: readonly Bound[];
  /** Present if the person logged in against a user table of a datasource. */
  readonly account?: AccountFacts;
  /** The older token API through which a client asked for it; a login can only be refreshed there. */
  readonly face?: FaceName;
  /** Those of its scopes that only that API's own routes require. */
  readonly faceScopes?: readonly string[];
  /** Of what came from a login in the browser. */
  readonly openid?: OpenIdFacts;
  /** Absent: a bearer token. */
  readonly sender?: ProvenKey;
}

/**
 * One access token. Written before the client gets the token, so it is the audit record of the issuance too. Its id is
 * the `jti`, which is not the key of the row.
 */
export interface TokenRow extends GrantedRow {
  readonly format: 'jwt' | 'opaque';
  /** Milliseconds. */
  readonly issuedAt: number;
  readonly username?: string;
  readonly roles?: readonly string[];
  /** Id of the login that it belongs to. */
  readonly login?: string;
  /** Id of the connection that it descends from. */
  readonly connection?: string;
  /** Values of the person's row in the user table that their tokens show. */
  readonly claims?: ColumnValues;
  /** Of the request that asked for it. */
  readonly address?: string;
  readonly requestId?: string;
}

/** A living login: the family of one refresh token, of which exactly one value is current. */
export interface LoginRow extends GrantedRow {
  /** Milliseconds. */
  readonly createdAt: number;
  /** Of one made from another login: id of the person who logged in at first. */
  readonly origin?: string;
  /** SHA-256 of the current refresh token. */
  readonly current: Buffer;
  /** SHA-256 of the one before, for the grace period of an honest retry. */
  readonly previous?: Buffer;
  /** Milliseconds. */
  readonly rotatedAt?: number;
}

/**
 * Where a store keeps a member: `shared` in the document that equal rows share, `own` in the row's own document,
 * `whose` in the own document for a person and in the shared one for others, `column` beside both.
 */
export type Place = 'shared' | 'own' | 'whose' | 'column';

const GRANTED: Readonly<Record<keyof GrantedRow, Place>> = {
  id: 'own',
  grantType: 'shared',
  subject: 'whose',
  user: 'own',
  organization: 'shared',
  application: 'shared',
  clientId: 'shared',
  resource: 'shared',
  scope: 'shared',
  permissions: 'shared',
  asScopes: 'shared',
  devices: 'shared',
  ancestors: 'own',
  parent: 'own',
  asOf: 'own',
  expiresAt: 'column',
  authenticatedAt: 'own',
  act: 'own',
  depth: 'own',
  bounds: 'own',
  account: 'own',
  face: 'shared',
  faceScopes: 'shared',
  openid: 'own',
  sender: 'own',
};

/** All members of a token row. */
export const TOKEN_MEMBERS: Readonly<Record<keyof TokenRow, Place>> = {
  ...GRANTED,
  format: 'shared',
  issuedAt: 'own',
  username: 'own',
  roles: 'shared',
  login: 'own',
  connection: 'own',
  claims: 'own',
  address: 'own',
  requestId: 'own',
};

/** All members of a login row. */
export const LOGIN_MEMBERS: Readonly<Record<keyof LoginRow, Place>> = {
  ...GRANTED,
  createdAt: 'own',
  origin: 'own',
  current: 'column',
  previous: 'column',
  rotatedAt: 'column',
};

type TakenOver = Exclude<keyof GrantedRow, 'id' | 'ancestors' | 'parent' | 'expiresAt' | 'openid'>;

/** @param own what a login does not take over from the token that it begins with */
export function beginLogin(token: TokenRow, own: Omit<LoginRow, TakenOver>): LoginRow {
  const { parent: _, openid: __, ...granted } = pick(token, Object.keys(GRANTED));
  return { ...(granted as Pick<TokenRow, TakenOver>), ...own };
}

/** @returns the members that are there */
export function pick(row: object, names: readonly string[]): Record<string, unknown> {
  const members = row as Readonly<Record<string, unknown>>;
  const picked: Record<string, unknown> = {};
  for (const name of names) if (members[name] !== undefined) picked[name] = members[name];
  return picked;
}

/** A time as claims and answers spell it (RFC 7519 section 2): whole seconds. @param at milliseconds */
export function toSeconds(at: number): number {
  return Math.floor(at / 1000);
}

/** What a grant is: one file each that proves who is asking, and what it hands to those who decide and issue. */
import type { AuthenticatedClient } from '../clients/authentication.ts';
import type { Form } from '../clients/form.ts';
import type { DatabaseAccount } from '../datasources/logins.ts';
import type { DirectoryView } from '../directory/directory.ts';
import type { Resource, User } from '../nouns/index.ts';
import type { DeviceAccess } from '../permissions/device-access.ts';
import type { Permissions } from '../permissions/permissions.ts';
import type { ResourceRights } from '../rights/rights.ts';
import type { TokenRow } from '../storage/contract.ts';
import type { OpenIdFacts, ProvenKey } from '../storage/rows.ts';
import type { Asked } from './asked.ts';
import type { FoundToken } from './grants/subject-token.ts';
import type { Through } from './through.ts';

/** What a grant gets to see of a request. */
export interface GrantRequest {
  readonly client: AuthenticatedClient;
  readonly parameters: Form;
  /** What it asks for, from a caller that has it as values: the parameters are not read for it. */
  readonly asked?: Asked | undefined;
  /** From a caller that has found it already: the living token that `subject_token` would name. */
  readonly subject?: FoundToken | undefined;
  readonly view: DirectoryView;
  /** Milliseconds: before anything that decides was read. */
  readonly asOf: number;
  readonly address: string;
  readonly requestId?: string | undefined;
  /** The key that the client proved to have; what is made is bound to it. */
  readonly sender?: ProvenKey | undefined;
  /** The face that it came through. */
  readonly through?: Through | undefined;
  /** Takes a sentence for the log. */
  readonly remark?: (note: string) => void;
}

/** Who is asking, and what bounds the answer besides the application's ceiling and the user's roles. */
export interface Proof {
  readonly subject: string;
  /** The key that what was presented is bound to: the request has to prove it too. */
  readonly sender?: ProvenKey;
  readonly user?: User;
  /** Instead of a user: a row of a user table. */
  readonly account?: Pick<DatabaseAccount, 'holder' | 'facts' | 'claims'>;
  /** Milliseconds: when the person logged in. */
  readonly authenticatedAt?: number;
  /** Nodes above the token beside organization, application, user, roles and resource. */
  readonly ancestors?: readonly string[];
  /** Id of the login that goes on. */
  readonly login?: string;
  /** Id of the nearest login, token or connection above it. */
  readonly parentId?: string;
  /** What the parent (login, connection, token) was granted: the answer is never above it. */
  readonly parent?: {
    readonly resource: string | undefined;
    readonly scope: string;
    readonly permissions: Permissions;
    /** They were asked for as table scopes. */
    readonly asScopes?: boolean;
    /** Absent: it does not speak of devices. */
    readonly devices?: DeviceAccess;
    /** Of a browser login's token: a token made from it works at userinfo only if it names `openid` itself. */
    readonly openid?: OpenIdFacts;
    /** Milliseconds: what is made from it dies no later. */
    readonly expiresAt?: number;
  };
  /** What is carried on from the token or connection that it is made from: of its row. */
  readonly chain?: Pick<TokenRow, 'connection' | 'depth' | 'bounds' | 'act'>;
  /** Seconds that it lives unless its parent dies before; absent: as the face or the resource says. */
  readonly ttl?: number;
  /** Id of the person from whose login it is made, if that is one of its own. */
  readonly origin?: string;
  /** Seconds that the login lasts which it starts; absent: as the face or the server says. */
  readonly loginTtl?: number;
  /** Further members of the answer. */
  readonly answer?: Readonly<Record<string, unknown>>;
  /** What was asked for where the request itself is not the place (an authorization request). */
  readonly asked?: Asked;
  readonly openid?: OpenIdFacts;
  /** The answer may come with a refresh token if the application has the grant. */
  readonly startsLogin?: true;
  /**
   * Whether it is the proof of another request too, which names the same parameters and comes through no face, while no change
   * concerns the organization. Checks what `prove` checks of what changes otherwise. Absent: it is the proof of one request.
   * @throws domain errors as `prove` does
   */
  readonly holdsFor?: (request: GrantRequest) => boolean | Promise<boolean>;
  /**
   * Uses up what was presented (a code, a refresh token), once all is decided and never before: a request that is
   * refused must not cost a login. Gives the refresh token to answer with, if the login goes on with one.
   * @throws ProofRejected when another request was first
   */
  readonly spend?: () => Promise<string | undefined>;
  /** To be called when the store went away before the answer, although what was presented may be used up. */
  readonly onAnswerLost?: () => void;
}

/** One grant: only its difference. */
export interface Grant {
  /** `grant_type` on the wire. */
  readonly type: string;
  /** Its name in an application's `grants`. */
  readonly name: string;
  readonly parameters: readonly string[];
  /** Those of them that may be given more than once. */
  readonly repeatable?: readonly string[];
  /** Libraries add OpenID scopes to grants without an ID token: Grantable ignores them and notes it in the log. */
  readonly ignoresOpenId?: true;
  /** Another server says who asks, so it gives no tokens for the administration. */
  readonly isForeign?: true;
  /** Its proofs may hold for later requests. */
  readonly repeats?: true;
  /** What it makes is for the resource of what is presented, not for the application's own. */
  readonly goesOn?: true;
  /** @throws domain errors; ProofRejected for everything that must not be told apart */
  prove(request: GrantRequest): Promise<Proof>;
  /** Makes the answer of a grant that does not give an access token. */
  readonly mint?: Mint;
}

/** An answer with an access token (RFC 6749 section 5.1), and further members that a grant adds. */
export interface TokenAnswer extends Readonly<Record<string, unknown>> {
  readonly access_token: string;
  /** Seconds. */
  readonly expires_in: number;
  readonly refresh_token?: string;
  readonly scope?: string;
}

/** An answer with a connection token instead. */
export interface ConnectionAnswer extends Readonly<Record<string, unknown>> {
  readonly connection_token: string;
  /** Of the person whose connection it is. */
  readonly name: string;
}

export interface IssuedAccess {
  readonly answer: TokenAnswer;
  /** Of the access token. */
  readonly row: TokenRow;
}

export type Issued = IssuedAccess | { readonly answer: ConnectionAnswer; readonly row?: undefined };

/** Makes what was decided. */
export type Mint = (request: GrantRequest, decision: Decision) => Promise<Issued>;

/** What is handed to `Mint`: everything decided. */
export interface Decision {
  readonly grant: Grant;
  readonly proof: Proof;
  readonly resource: Resource | undefined;
  readonly rights: ResourceRights | undefined;
  readonly permissions: Permissions;
  /** They were asked for as table scopes, which `scope` repeats. */
  readonly asScopes: boolean;
  /** Absent: the token does not speak of devices. */
  readonly devices?: DeviceAccess;
  readonly scopes: readonly string[];
  /** Other requests get it too. */
  readonly isCached?: true;
}

/**
 * What a face is: an older token API, answered at its own paths in its own words. It knows how an old request becomes a
 * request to the token service, how its answer becomes an old one, and how a failure becomes an old failure. It never
 * checks a password and never makes a token: the token service does, for all callers alike.
 */
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import type { RequestState } from '../http/request-state.ts';
import type { Application, FaceName, FaceSettings, Organization } from '../nouns/index.ts';
import type { TokenRow } from '../storage/contract.ts';
import type { Asked } from '../tokens/asked.ts';
import type { ConnectionAnswer, IssuedAccess } from '../tokens/grant.ts';
import type { FoundToken } from '../tokens/grants/subject-token.ts';
import type { Through } from '../tokens/through.ts';

/** An application's own id and secret, as a request carries them. */
export interface ApplicationSecret {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** What a path names, still encoded; neither names nor ids need encoding. */
export interface Named {
  readonly organization?: string | undefined;
  readonly application?: string | undefined;
}

/** What travels with a request, for the log, the audit log, the metrics and pages of other origins. */
export interface FaceState extends RequestState {
  /** The token with which the request came. */
  bearer?: TokenRow | undefined;
}

/** A request before the face sees it: over HTTP, or from a program in this process. */
export interface Incoming {
  /** As it was sent. */
  readonly method: string;
  /** Without doubled slashes. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Milliseconds. */
  readonly startedAt: number;
  /** Whether it was made in this process, by a program that embeds the server. */
  readonly isOwn: boolean;
  /** @param name in lower case @returns an empty text for an absent header */
  readonly header: (name: string) => string;
  /** @throws Refusal 400, 413 */
  readBody(): Promise<unknown>;
  readonly state: FaceState;
}

/** An organization for which the face is switched on. */
export interface Tenant {
  readonly organization: Organization;
  readonly settings: FaceSettings;
  /**
   * The face as a client: the application that the settings or the path name, under a `client_id` of the face's own.
   */
  readonly client: ActiveApplication;
}

export interface FaceRequest extends Tenant, Pick<Incoming, 'method' | 'query' | 'header' | 'isOwn'> {
  readonly view: DirectoryView;
  /** What the path named beside organization and application, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The parsed body; a form is an object of texts. Undefined for a request without a body. */
  readonly body: unknown;
  /** The token of the Authorization header (RFC 6750 section 2.1). */
  readonly bearer: string | undefined;
  /** The credentials of the Authorization header (RFC 7617); undefined if they are unreadable too. */
  readonly basic: ApplicationSecret | undefined;
  readonly address: string;
  readonly requestId: string;
  /** A living access token that was asked for through this face, for this organization; undefined for anything else. */
  findToken(value: string): Promise<TokenRow | undefined>;
}

/** What a face asks the token service for, and what its clients expect of the answer. */
export interface TokenQuestion extends Partial<Omit<Through, 'face' | 'registration'>> {
  readonly grantType: string;
  /** What proves who asks, by the names that OAuth has. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** All that is allowed, if it is left out. */
  readonly asked?: Asked;
  /** The living token that something smaller is made from, as it was found in this request. */
  readonly subject?: FoundToken;
  /** Authenticates as this application, as anyone would, and not as the face. */
  readonly as?: ApplicationSecret | undefined;
  /** Which applications may authenticate so, of those of the organization; to all others it is as if unknown. */
  readonly clients?: (application: Application) => boolean;
  /** Whose names and passwords are taken: those of administrators instead of the application's users. */
  readonly realm?: 'management' | undefined;
}

/** Calls the token service as the face's client. @throws domain errors */
export interface Ask {
  token(question: TokenQuestion): Promise<IssuedAccess>;
  /** Of the grant that gives a connection token. */
  connection(question: TokenQuestion): Promise<ConnectionAnswer>;
}

/** An answer that is more than the body of a 200. */
export class Reply {
  readonly status: number;
  /** Undefined: no body at all. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** For `catch`: tells an error of this class in another way, and leaves all others. @throws always */
export function insteadOf<E extends Error>(
  type: abstract new (...options: never[]) => E,
  toRefusal: (error: E) => Error | Promise<Error>,
) {
  return async (error: unknown): Promise<never> => {
    throw error instanceof type ? await toRefusal(error) : error;
  };
}

/** Gives the body of a 200, or a `Reply`. @throws whatever is to be told by `fail` */
export type FaceAction = (request: FaceRequest, ask: Ask) => Promise<unknown>;

/** How a failure is told. */
export interface FaceFailure {
  readonly status: number;
  readonly description: string;
  readonly error: unknown;
  readonly path: string;
  /** Whether the request had an Authorization header. */
  readonly hasAuthorization: boolean;
  /** Milliseconds since the request came. */
  readonly duration: number;
}

/** By method and path, as in `POST /api/auth/subscribe`. */
export type FaceRoutes = Readonly<Record<string, FaceAction>>;

export interface Face {
  readonly name: FaceName;
  /**
   * A path may name the organization, as in `/api/:organization`,
   * and the application, as in `/:organization/:application/token`; otherwise the host and the settings do.
   */
  readonly routes: FaceRoutes;
  /** Further paths below which all of it is served too. */
  readonly alsoBelow?: readonly string[];
  /** Whether a slash at the end of a path makes no difference. */
  readonly slashAtEnd?: boolean;
  /** At paths that it shares with another face: whether a request is for it. */
  readonly isFor?: (path: string, body: unknown) => boolean;
  /** How bodies are read if not as JSON. What begins with `{` or `[` is JSON whatever type it says to be. */
  readonly bodies?: 'json or form';
  /** Pages of any origin may read the answers, not only those of the application's `allowedOrigins`. */
  readonly origins?: 'any';
  /** Headers of its own that pages of other origins may send. */
  readonly headers?: readonly string[];
  /** Bytes that a body may have; 64 KiB if left out. */
  readonly bodyLimit?: number;
  /** What a 401 asks for if `fail` does not say it: RFC 9110 section 15.5.2 wants a challenge with each. */
  readonly challenge?: 'Bearer';
  /** The body of a failure, or a `Reply`. */
  readonly fail: (failure: FaceFailure) => unknown;
  /** What an unknown organization or application in a path is told; without it they are paths that are not there. */
  readonly failUnknown?: (
    failure: Omit<FaceFailure, 'error' | 'status' | 'description'>,
    named: Named,
  ) => unknown;
  /** Names of grants that its client may use beside those of its application, if that has the one they stand on. */
  readonly grants: (application: readonly string[]) => readonly string[];
}

/**
 * Faces: older token APIs, answered at their own paths in their own words. A face knows how an old request becomes a
 * native one, how the native answer becomes an old one, and how a failure becomes an old failure. It never checks a
 * password and never makes a token: that happens at the token endpoint, for a face as for everybody. Routes: those of
 * each face.
 *
 * This file: what a face is.
 */
import type { ActiveApplication, DirectoryView, Through } from '../directory/directory.ts';
import type { FaceName, FaceSettings, Organization } from '../storage/nouns.ts';

/** A request to a face, of an organization for which it is switched on. */
export interface FaceRequest {
  readonly organization: Organization;
  readonly settings: FaceSettings;
  /** The face as a client: the application that the settings name, under a `client_id` of the face's own. */
  readonly client: ActiveApplication;
  readonly view: DirectoryView;
  /** The parsed body; undefined if there is none. */
  readonly body: unknown;
  /** The token of the Authorization header (RFC 6750 section 2.1). */
  readonly bearer: string | undefined;
  readonly address: string;
  readonly requestId: string;
  /** @param name in lower case @returns an empty text if there is none */
  header(name: string): string;
  /** Whether it was made in this process, by a program that embeds the server. */
  readonly isOwn: boolean;
}

/** Sends a form to the token endpoint as the face's client. @throws what was refused, as a domain error or `Refusal` */
export type AskForToken = (
  form: Readonly<Record<string, string>>,
  special?: {
    /** Further nodes that the token hangs below. */
    readonly nodes?: readonly string[];
    /** Instead of what the resource says of its tokens. */
    readonly token?: Through['token'];
  },
) => Promise<Record<string, unknown>>;

/** Gives the body of a 200. @throws whatever is to be told by `fail` */
export type FaceAction = (request: FaceRequest, ask: AskForToken) => Promise<unknown>;

/** How a failure is told. */
export interface FaceFailure {
  readonly status: number;
  readonly description: string;
  readonly error: unknown;
}

export interface Face {
  readonly name: FaceName;
  /**
   * By method and path, as in `POST /api/auth/subscribe`. A path may name the organization, as in `/api/:organization`;
   * otherwise the host does.
   */
  readonly routes: Readonly<Record<string, FaceAction>>;
  /** Headers of its own that pages of other origins may send. */
  readonly headers: readonly string[];
  /** Bytes that a body may have. */
  readonly bodyLimit: number;
  /** The body of a failure. */
  readonly fail: (failure: FaceFailure) => unknown;
  /** Names of grants that its client may use beside those of its application, if that has the one they stand on. */
  readonly grants: (application: readonly string[]) => readonly string[];
}

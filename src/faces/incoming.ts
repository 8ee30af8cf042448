/** A request to a face before the face sees it: over HTTP, or from a program in this process. */
import type { RequestState } from '../http/request-state.ts';
import type { TokenRow } from '../storage/contract.ts';

/** What travels with the request, for the log, the audit log, the metrics and pages of other origins. */
export interface FaceState extends RequestState {
  /** The token with which the request came. */
  bearer?: TokenRow | undefined;
}

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

/**
 * A request to a face before the face sees it: over HTTP, or from a program in this process. And what is noted about it
 * while it is answered.
 */
import type { RequestState } from '../http/request-state.ts';
import type { TokenRow } from '../storage/contract.ts';

/** For the log, the audit log, the metrics and pages of other origins. */
export interface Notes
  extends Pick<RequestState, 'clientId' | 'clientAuth' | 'issuedGrant' | 'reason' | 'readers'> {
  /** The token with which the request came. */
  bearer?: TokenRow | undefined;
}

export interface Incoming {
  /** As it was sent. */
  readonly method: string;
  /** Without doubled slashes. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly address: string;
  readonly requestId: string;
  /** Milliseconds. */
  readonly startedAt: number;
  /** Whether a program in this process made it. */
  readonly isOwn: boolean;
  /** @param name in lower case @returns an empty text for an absent header */
  readonly header: (name: string) => string;
  /** @throws Refusal 400, 413 */
  readBody(): Promise<unknown>;
  readonly notes: Notes;
}

/**
 * The types that a program which embeds the server sees; `src/index.ts` publishes them. They use no type of the engine or of
 * Koa, because the package does not depend on their type packages.
 */
import type { ApplyReport } from '../apply/report.ts';
import type { FaceCalls } from '../faces/embedded.ts';
import type { Logger } from '../http/log.ts';

/** What the server did at start. */
export interface Started {
  readonly applied?: ApplyReport;
  /** The text of the quickstart. */
  readonly quickstart?: string;
  /** Where the first administrator makes the account: a secret, for the terminal only. */
  readonly firstAdministrator?: string;
  /** There is no organization yet. */
  readonly isEmpty?: true;
}

export interface EmbeddedServer extends FaceCalls {
  readonly issuer: string;
  readonly port: number;
  readonly started: Started;
  /** Finishes requests under way, then closes everything, once. What fails or takes too long is in the log; it never rejects. */
  stop(): Promise<void>;
}

export interface EmbeddingOptions {
  /** Milliseconds since the epoch; injected by tests. */
  readonly now?: () => number;
  readonly log?: Logger;
  /** Gives up waiting for a store that is away. */
  readonly signal?: AbortSignal;
}

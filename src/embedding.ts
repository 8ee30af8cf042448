/**
 * What programs that embed the server see of it. It uses no type of the engine or of Koa, because the package does not
 * depend on their type packages.
 */
import type { ApplyReport } from './admin/apply-report.ts';
import type { System } from './faces/api-maker/system-contract.ts';
import type { Logger } from './http/log.ts';

export interface EmbeddedServer {
  readonly issuer: string;
  readonly port: number;
  /** What the server did at start, for the embedding program. */
  readonly started: {
    readonly applied?: ApplyReport;
    readonly quickstart?: string;
    /** There is no organization yet. */
    readonly isEmpty?: true;
  };
  readonly system: System;
  /** Finishes requests under way, then closes everything. */
  stop(): Promise<void>;
}

export interface EmbeddingOptions {
  /** Milliseconds since the epoch; injected by tests. */
  readonly now?: () => number;
  readonly log?: Logger;
  /** Gives up waiting for a store that is away. */
  readonly signal?: AbortSignal;
}

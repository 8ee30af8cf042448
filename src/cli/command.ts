/**
 * The command line: one file per command, which reads its arguments (`input.ts`), calls `admin` or the server, and says
 * what came of it. It has no rules of its own. Exit codes: 0 done; 1 it could not be done; 2 the arguments, the
 * configuration or a file are not right, and nothing was started.
 */
import type { Config } from '../config/config.ts';
import type { Logger } from '../http/log.ts';
import type { Workers } from '../http/metrics.ts';
import type { Started } from '../server/embedding.ts';

export const DONE = 0;
export const FAILED = 1;
export const MISUSED = 2;

/** Where a command writes. */
export interface Output {
  write(text: string): unknown;
  /** A person reads it. */
  readonly isTTY?: boolean;
}

/** The process around a command; tests bring their own. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves when the process is asked to stop. */
  readonly stopRequested: () => Promise<unknown>;
  readonly startServer: StartServer;
}

/** Starts a server. The process brings it, because what puts the server together stands above the commands. */
export type StartServer = (
  config: Config,
  options: {
    readonly now: () => number;
    readonly log: Logger;
    readonly signal: AbortSignal;
    readonly joinsOthers: boolean;
    readonly onTerminal: boolean;
    readonly workers?: Workers;
  },
) => Promise<{ readonly started: Started; stop(): Promise<void> }>;

export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** After `grantable`, one line per form. */
  readonly usage: readonly string[];
  /** What a reader of `-h` should know besides. */
  readonly details?: readonly string[];
  /** @returns the exit code, if it is not 0 @throws UsageError, and errors that `failure.ts` puts into words */
  run(args: readonly string[], io: CommandIo): Promise<number | undefined>;
}

/** The arguments make no sense; the message is the end of the sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** It cannot be done, for a reason that is one sentence. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

export function requireFound<T>(found: T | undefined, otherwise: string): T {
  if (found === undefined) throw new CommandFailed(otherwise);
  return found;
}

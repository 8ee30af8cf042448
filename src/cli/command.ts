/**
 * The command line: one file per command, which reads its arguments, calls `admin` or the server, and says what came
 * of it. It has no rules of its own. Exit codes: 0 done; 1 it could not be done; 2 the arguments, the configuration or
 * a file are not right, and nothing was started.
 *
 * This file: what a command is, and how its arguments are read.
 */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { ReadStream } from 'node:tty';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
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

type Parsed<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true; strict: true }>
>;

/** The values of options. */
export type Given<O extends ParseArgsOptionsConfig> = Parsed<O>['values'];

/**
 * @param least how many arguments there must be besides options
 * @param most how many there may be
 * @throws UsageError
 */
export function readArguments<const O extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: O,
  least: number,
  most = least,
): Parsed<O> {
  let parsed: Parsed<O>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error;
    // The library goes on to explain how to pass what looks like an option.
    throw new UsageError(message.split('. ')[0] ?? message);
  }
  const given = parsed.positionals.length;
  if (given > most) throw new UsageError(`There are too many arguments: ${given} instead of ${most}`);
  if (given < least) throw new UsageError(least === 1 ? 'An argument is missing' : 'Arguments are missing');
  return parsed;
}

export function writeLines(stream: CommandIo['stdout'], lines: readonly string[]): void {
  for (const line of lines) stream.write(`${line}\n`);
}

/** All of it as text. A secret is better given this way than as an argument, which other users of a machine can see. */
export async function readAll(stdin: CommandIo['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

/** Typed without an echo at a terminal, else all that comes from stdin. */
export async function readSecret(prompt: string, { stdin, stderr }: CommandIo): Promise<string> {
  if (!stdin.isTTY) return (await readAll(stdin)).replace(/\r?\n$/, '');
  stderr.write(prompt);
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin as unknown as ReadStream, output: silence, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    stderr.write('\n');
  }
}

/** @param argument a token, or `-` for the one on stdin */
export async function readToken(argument: string, { stdin }: CommandIo): Promise<string> {
  const token = (argument === '-' ? await readAll(stdin) : argument).trim();
  if (token === '') throw new UsageError('There is no token');
  return token;
}

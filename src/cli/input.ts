/** What a command reads, its arguments and what is typed or piped in, and how it writes lines. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { ReadStream } from 'node:tty';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { type CommandIo, type Output, UsageError } from './command.ts';

/** Options of one kind, by their names. */
const named =
  <const O>(option: O) =>
  <const N extends string>(...names: readonly N[]) =>
    Object.fromEntries(names.map((name) => [name, option])) as { readonly [name in N]: O };

export const texts = named({ type: 'string' });
/** May be repeated. */
export const lists = named({ type: 'string', multiple: true });
export const flags = named({ type: 'boolean' });

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

export function writeLines(stream: Output, lines: readonly string[]): void {
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

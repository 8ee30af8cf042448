/** The log: one JSON line per request and per event, with what is secret taken out. */
import { type DestinationStream, type Logger, type LoggerOptions, pino, stdSerializers } from 'pino';
import { createLogOutput, type LogOutput } from './log-output.ts';

export type { Logger } from 'pino';

/** Names of members whose values are never logged; `_` and `-` do not count, nor does case. */
const SECRET_NAME =
  /(?:password|passwd|secret|token|cookies?|authorization|assertion|verifier|credentials?|hint|masterkey|apikey|privatekey|privatejwk|cookiekeys?)$/;
/** The whole name. `rawPacket` is what Node's HTTP parser could not read, the headers before it included. */
const SECRET_NAMES = new Set(['usercode', 'devicecode', 'authorizationcode', 'sealed', 'jwt', 'rawpacket']);
/** What Node calls its errors, such as ECONNRESET, is not an authorization code. */
const ERROR_CODE = /^[A-Z][A-Z0-9_]*$/;
const REDACTED = '[redacted]';
const MAX_DEPTH = 6;

/**
 * Our tokens, JWTs (or text that begins like one), and header values, wherever a message quotes one.
 * A match cannot fail after a repetition without a limit, so the search is linear in any text that a stranger sends.
 */
const SECRET_TEXT =
  /\b(?:g[a-z]t|gcs|whsec)_[\w+/-]{8,}|\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}|\b(?:Bearer|Basic) +[\w~+/.=-]{8,}/g;

/** The password of a URL (RFC 3986 section 3.2.1). */
const URL_PASSWORD = /(?<=:\/\/[^\s/:@"]{0,64}:)[^\s/:@"]{1,128}(?=@)/g;

/** Beyond what JSON escapes: C1 controls, which terminals obey, and line separators. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

const WARN = 40;

/** A member of lines that hold no secrets, so that the log does not search them. It is not written. */
export const CLEAN = Symbol('clean');

function isSecret(name: string, value: unknown): boolean {
  // Numbers and flags say that there is a secret, or how many, and not which.
  if (typeof value !== 'string' && typeof value !== 'object') return false;
  const plain = name.toLowerCase().replaceAll(/[_-]/g, '');
  if (plain === 'code') return typeof value !== 'string' || !ERROR_CODE.test(value);
  return SECRET_NAMES.has(plain) || SECRET_NAME.test(plain);
}

function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return toLoggedError(value);
  if (depth > MAX_DEPTH) return '[deep]';
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const clean: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    clean[name] = isSecret(name, member) ? REDACTED : withoutSecrets(member, depth + 1);
  }
  return clean;
}

function toLoggedError(error: Error): unknown {
  return withoutSecrets({ ...stdSerializers.err(error) }, 1);
}

/** The whole line at once: messages and stacks of others may quote what they were given. */
function finish(line: string): string {
  const text = line.includes('@') ? line.replaceAll(URL_PASSWORD, REDACTED) : line;
  return text
    .replaceAll(SECRET_TEXT, REDACTED)
    .replaceAll(UNSAFE, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As pino's own, written once for all lines of a millisecond. */
function createTimestamp(): () => string {
  let last = Number.NaN;
  let text = '';
  return () => {
    const time = Date.now();
    if (time !== last) {
      last = time;
      text = `,"time":"${new Date(time).toISOString()}"`;
    }
    return text;
  };
}

let standardOutput: LogOutput | undefined;

/** One for the whole process. */
function openStandardOutput(): LogOutput {
  const output = createLogOutput(process.stdout.fd);
  process.once('exit', () => output.finish());
  return output;
}

export interface LoggerDeps {
  /** A level of pino, or `silent`. */
  readonly level: string;
  /** Standard output by default. Lines from `warn` on are written at once, others within a fifth of a second. */
  readonly destination?: DestinationStream;
}

export function createLogger({ level, destination }: LoggerDeps): Logger {
  if (!destination) standardOutput ??= openStandardOutput();
  const output = destination ? undefined : standardOutput;
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: createTimestamp(),
    formatters: {
      level: (label) => ({ level: label }),
      // Instead of pino's own redaction, which costs thirty times as much as the rest of a line.
      log: (members) => (CLEAN in members ? members : (withoutSecrets(members) as Record<string, unknown>)),
    },
    // Errors have been taken care of by then.
    serializers: { err: (error: unknown) => error },
    hooks: {
      streamWrite: finish,
      logMethod(args, method, lineLevel) {
        method.apply(this, args);
        if (lineLevel >= WARN) output?.flush();
      },
    },
  };
  return pino(options, destination ?? output);
}

/** The engine says so of every body that `http/body.ts` hands it. */
const EXPECTED = 'already parsed request body detected';

/**
 * What libraries tell the console becomes a line of the log. For a process of our own only.
 *
 * @returns takes it back
 */
export function takeOverConsole(log: Logger): () => void {
  const { info, warn, error } = console;
  const toText = (parts: unknown[]): string => parts.map(String).join(' ');
  console.info = (...parts) => log.info(toText(parts));
  console.warn = (...parts) => {
    const text = toText(parts);
    if (text.includes(EXPECTED)) log.debug(text);
    else log.warn(text);
  };
  console.error = (...parts) => log.error(toText(parts));
  return () => {
    Object.assign(console, { info, warn, error });
  };
}

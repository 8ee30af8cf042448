/** How the text of an environment variable becomes a value. */

import { resolve } from 'node:path';
import { didYouMean } from '../errors/similar.ts';
import { quote } from '../errors/texts.ts';
import { builtInFaces } from '../faces/index.ts';
import type { Limit } from '../http/throttle.ts';
import type { SmtpServer } from '../mail/smtp.ts';
import { isHostname } from '../nouns/hosts.ts';
import { ownFirstSegments } from '../nouns/names.ts';
import { isLoopback } from '../nouns/redirect-uris.ts';
import { defined } from '../storage/defined.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const signings = ['auto', 'pool', 'sync'] as const;
export const sqliteSyncs = ['pool', 'full'] as const;
export type SqliteSync = (typeof sqliteSyncs)[number];
export type Signing = (typeof signings)[number];

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
const DURATION = /^(\d{1,9})([smhd]?)$/;

function toSeconds(text: string): number | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (SECONDS[unit ?? ''] as number);
}

/** The text is not such a value. The message ends a sentence about the text. */
export class BadValue extends Error {}

/** @throws BadValue */
export function refuse(problem: string): never {
  throw new BadValue(problem);
}

export interface Kind<T> {
  /** What may stand there, as the end of a sentence. */
  readonly type: string;
  /** @throws BadValue */
  readonly parse: (text: string) => T;
}

type FindProblem = (text: string) => string | undefined;

/** The text itself. @param findProblem undefined if it will do */
export function checked(findProblem: FindProblem): (text: string) => string {
  return (text) => {
    const problem = findProblem(text);
    return problem === undefined ? text : refuse(problem);
  };
}

export const wholeNumber = (least: number, most: number): Kind<number> => ({
  type: `a whole number from ${least} to ${most}`,
  parse(text) {
    if (!/^\d{1,15}$/.test(text)) refuse('is not a whole number');
    const value = Number(text);
    return value < least || value > most ? refuse(`is not between ${least} and ${most}`) : value;
  },
});

/** In seconds; the bounds as they would be written. */
export function duration(from: string, to: string): Kind<number> {
  const [least, most] = [toSeconds(from) as number, toSeconds(to) as number];
  return {
    type: `a duration from ${from} to ${to}: seconds, or a number with s, m, h or d`,
    parse(text) {
      const seconds = toSeconds(text) ?? refuse('is not a duration');
      const isWithin = seconds >= least && seconds <= most;
      return isWithin ? seconds : refuse(`is not between ${least} and ${most} seconds`);
    },
  };
}

/** `<points>/<duration>`, and `usual` without it. */
export const limit = (usual: string): Kind<Limit> & { readonly default: string } => ({
  type: `<attempts>/<duration of at most 1d>, such as ${usual}`,
  default: usual,
  parse(text) {
    const [amount = '', time = '', ...rest] = text.split('/');
    const points = /^\d{1,7}$/.test(amount) && rest.length === 0 ? Number(amount) : refuse('is not a limit');
    const seconds = toSeconds(time) ?? refuse('is not a limit');
    return points < 1 || seconds < 1 || seconds > 86_400 ? refuse('is out of range') : { points, seconds };
  },
});

export const oneOf = <const T extends string>(...choices: readonly T[]): Kind<T> => ({
  type: `one of ${choices.join(', ')}`,
  parse: (text) => choices.find((choice) => choice === text) ?? refuse('is not one of them'),
});

export const flag: Kind<boolean> = {
  type: '0 or 1',
  parse: (text) => (text === '1' || text === '0' ? text === '1' : refuse('is neither 0 nor 1')),
};

/** Separated by commas; blanks around an entry do not count. */
export function list(findProblem: FindProblem): (text: string) => readonly string[] {
  return (text) => {
    const entries = text.split(',').map((entry) => entry.trim());
    const problems = entries.flatMap((entry) => {
      const problem = entry === '' ? 'is empty' : findProblem(entry);
      return problem ? [`has the entry ${quote(entry)}, which ${problem}`] : [];
    });
    return problems.length > 0 ? refuse(problems.join('; it ')) : entries;
  };
}

/** Where a path cannot be meant as it is written. */
function findPathProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL';
  if (/^~(?:\/|$)/.test(text)) return 'starts with ~, which only a shell replaces';
  return undefined;
}

/** The text as given; `load` resolves it against the working directory. */
export const path = (type: string): Kind<string> => ({ type, parse: checked(findPathProblem) });

export type StoragePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'mongodb'; readonly url: string };

/** The driver reads the rest; only what it would take for something else is refused here. */
function mongoPlace(text: string): StoragePlace {
  const path = /^mongodb(?:\+srv)?:\/\/[^/?]+\/([^/?]+)(?:\?|$)/.exec(text)?.[1];
  if (path === undefined) refuse('names no database: mongodb://<hosts>/<database>');
  return { kind: 'mongodb', url: text };
}

/** The path behind `sqlite:`, or a MongoDB URL. */
export function storagePlace(text: string): StoragePlace {
  if (/^mongodb(?:\+srv)?:\/\//.test(text)) return mongoPlace(text);
  if (!text.startsWith('sqlite:')) refuse('starts neither with sqlite: nor with mongodb://');
  const file = text.slice('sqlite:'.length);
  if (file === '' || file.endsWith('/')) refuse('names no file');
  if (file.startsWith(':') || file.startsWith('file:')) refuse('is not the plain path of a file');
  if (file.startsWith('//')) refuse(`has two slashes, where sqlite:${resolve('/', file)} has one`);
  return { kind: 'sqlite', path: checked(findPathProblem)(file) };
}

/** Ports of mail servers that take mail from programs (RFC 8314 section 3.3, RFC 6409). */
const SMTPS_PORT = 465;
const SUBMISSION_PORT = 587;

function findEncryption(url: URL, host: string): SmtpServer['encryption'] {
  const asked = url.searchParams.get('tls');
  const isKnown = url.search === '' || (url.searchParams.size === 1 && asked !== null);
  if (!isKnown) refuse('has a query that is not tls=off or tls=starttls; inside a password, ? is %3F');
  if (url.protocol === 'smtps:') return asked === null ? 'tls' : refuse('says tls, which smtps:// does too');
  if (asked === null) return isLoopback(host) ? 'none' : 'starttls';
  if (asked === 'starttls') return asked;
  return asked === 'off' ? 'none' : refuse('has another tls than off or starttls');
}

/** Neither is ever part of what is said about the URL. */
function findLogin(url: URL): SmtpServer['login'] {
  if (url.username === '' && url.password === '') return undefined;
  try {
    const login = { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
    if (login.user === '' || login.password === '') refuse('names a user or a password, but not both');
    // They end a line, or a word of the login, in SMTP.
    if (/\p{Cc}/u.test(login.user + login.password)) refuse('holds control characters');
    return login;
  } catch (error) {
    if (error instanceof URIError)
      refuse('has a % that is not percent-encoding; inside a password, % is %25');
    throw error;
  }
}

/**
 * `smtp://` or `smtps://`, as URLs of mail servers are commonly written. What a host in between could take out, such as
 * an offer to encrypt, is never relied on: `smtp://` is STARTTLS or nothing.
 */
export function smtpServer(text: string): SmtpServer {
  if (!/^smtps?:\/\//.test(text)) refuse('starts neither with smtp:// nor with smtps://');
  // The parser would leave them out.
  if (/[\s\p{Cc}]/u.test(text)) refuse('holds blanks or control characters');
  const url = URL.canParse(text)
    ? new URL(text)
    : refuse('is not a URL; user and password are percent-encoded');
  const host = url.hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (!isHostname(host)) refuse('names no host');
  if (!['', '/'].includes(url.pathname)) refuse('has a path; inside a password, / is %2F');
  if (text.includes('#')) refuse('has a fragment; inside a password, # is %23');
  if (url.port === '0') refuse('has the port 0');
  const port = Number(url.port) || (url.protocol === 'smtps:' ? SMTPS_PORT : SUBMISSION_PORT);
  const login = findLogin(url);
  return { host, port, encryption: findEncryption(url, host), ...defined({ login }) };
}

const faceNames = builtInFaces.map(({ name }) => name);

const PREFIX = /^(?:\/[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)+$/;
const MAX_PREFIX = 100;

function findPrefixProblem(entry: string): string | undefined {
  const [, name = '', path = ''] = /^([^=]*)=(.*)$/s.exec(entry) ?? [];
  if (!entry.includes('=')) return 'is not <face>=<path>';
  if (!faceNames.includes(name)) return `names no face${didYouMean(name, faceNames)}`;
  if (path.length > MAX_PREFIX || !PREFIX.test(path)) return `has no path such as /legacy/${name}`;
  return ownFirstSegments.has(path.split('/')[1] ?? '') ? "is where the server's own paths are" : undefined;
}

/** Below another face's prefix, a path would be both faces' where one of them names organizations in its paths. */
function requireApart(prefixes: readonly (readonly [string, string])[]): void {
  for (const [at, [name, path]] of prefixes.entries()) {
    for (const [other, otherPath] of prefixes.slice(0, at)) {
      if (name === other) refuse(`names ${name} twice`);
      if (path === otherPath) refuse(`gives ${other} and ${name} the same path`);
      if (`${path}/`.startsWith(`${otherPath}/`)) refuse(`puts ${name} below ${other}`);
      if (`${otherPath}/`.startsWith(`${path}/`)) refuse(`puts ${other} below ${name}`);
    }
  }
}

const prefixEntries = list(findPrefixProblem);

/** By the face's name. */
export function facePrefixes(text: string): Readonly<Record<string, string>> {
  const pairs = prefixEntries(text).map((entry) => entry.split('=') as [string, string]);
  requireApart(pairs);
  return Object.fromEntries(pairs);
}

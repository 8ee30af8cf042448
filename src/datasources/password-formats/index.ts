/**
 * How other systems store passwords. The format is declared for each user table and nothing else is ever tried, so
 * that a stolen hash is never a password. Hashes that would cost too much are refused.
 */
import type { PasswordFormat } from '../../nouns/password-formats.ts';
import { argon2Format } from './argon2.ts';
import { bcryptFormat, phpFormat } from './bcrypt.ts';
import type { Costs, Format, Verify } from './contract.ts';
import { digestFormats } from './digests.ts';
import { djangoFormat } from './django.ts';
import { pbkdf2Format } from './pbkdf2.ts';
import { scryptFormat } from './scrypt.ts';
import { shaCryptFormat } from './sha-crypt.ts';
import { wordpressFormat } from './wordpress.ts';

const formats = {
  bcrypt: bcryptFormat,
  argon2: argon2Format,
  scrypt: scryptFormat,
  pbkdf2: pbkdf2Format,
  php: phpFormat,
  django: djangoFormat,
  wordpress: wordpressFormat,
  'sha-crypt': shaCryptFormat,
  ...digestFormats,
} as const satisfies Record<PasswordFormat, Format>;

export interface FormatSettings {
  readonly format: PasswordFormat;
  /** Where the salt of a salt column stands beside the password; absent: before it. */
  readonly saltOrder?: 'before' | 'after';
  /** The key of `hmac-sha256`. */
  readonly secret?: string;
  /** Absent: usual. */
  readonly costs?: Costs;
}

/** Characters, or bytes, of a stored hash. */
const MAX_STORED = 1024;
/** Bytes of a password. */
const MAX_PASSWORD = 1024;

function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array && value.length <= MAX_STORED
    ? Buffer.from(value).toString()
    : undefined;
}

function toSalt(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : undefined;
}

/**
 * @param stored as the driver gave it
 * @returns undefined if the stored hash is missing, empty, damaged, too costly, or of another format: it is
 *   not good for a login
 */
export function parseStored(
  settings: FormatSettings,
  { hash, salt }: { readonly hash: unknown; readonly salt?: unknown },
): Verify | undefined {
  const text = toText(hash);
  if (text === undefined || text === '' || text.length > MAX_STORED) return undefined;
  return formats[settings.format].parse({
    text,
    raw: hash as string | Uint8Array,
    salt: toSalt(salt),
    saltOrder: settings.saltOrder ?? 'before',
    secret: settings.secret,
    costs: settings.costs ?? 'usual',
  });
}

/** An empty password is never right, and neither is one that is too long. */
export async function verifyParsed(verify: Verify, password: string): Promise<boolean> {
  const bytes = Buffer.byteLength(password);
  const isPossible = bytes > 0 && bytes <= MAX_PASSWORD && password.isWellFormed();
  const isRight = await verify(isPossible ? password : 'x');
  return isPossible && isRight;
}

/**
 * What is verified for a login without an account, so that it costs as much as one with.
 * @param like of the same table; without it, what is usual for the format
 */
export function dummyFor(settings: FormatSettings, like?: Verify): Verify {
  const real = like ?? parseStored(settings, { hash: formats[settings.format].typical });
  return async (password) => {
    await real?.(password);
    return false;
  };
}

const looks: readonly (readonly [RegExp, PasswordFormat, string])[] = [
  [/^\$wp\$2y\$(\d\d)\$/, 'wordpress', 'WordPress 6.8 with bcrypt, cost $1'],
  [/^\$[PH]\$/, 'wordpress', 'phpass, as of WordPress until 6.7'],
  [/^\$2y\$(\d\d)\$/, 'php', 'bcrypt of PHP, cost $1 (bcrypt will do too)'],
  [/^\$2[ab]\$(\d\d)\$/, 'bcrypt', 'bcrypt, cost $1'],
  [/^\$(argon2(?:id|i|d))\$v=19\$([^$]+)\$/, 'argon2', '$1, $2'],
  [/^\$scrypt\$([^$]+)\$/, 'scrypt', 'scrypt, $1'],
  [/^\$pbkdf2(?:-(sha256|sha512))?\$(\d+)\$/, 'pbkdf2', 'PBKDF2, $2 rounds'],
  [/^(pbkdf2_sha256|pbkdf2_sha1|argon2|bcrypt_sha256|bcrypt|scrypt)\$/, 'django', 'Django, $1'],
  [/^\$5\$/, 'sha-crypt', 'SHA-256 crypt'],
  [/^\$6\$/, 'sha-crypt', 'SHA-512 crypt'],
  [/^[0-9a-f]{128}$/i, 'sha512', 'a digest of 512 bits'],
  [/^[0-9a-f]{64}$/i, 'sha256', 'a digest of 256 bits (sha256 or hmac-sha256)'],
  [/^[0-9a-f]{40}$/i, 'sha1', 'a digest of 160 bits'],
  [/^[0-9a-f]{32}$/i, 'md5', 'a digest of 128 bits'],
];

/** What a stored password looks like, for people who register a table. */
export function describeStored(stored: unknown): { format?: PasswordFormat; description: string } {
  const text = toText(stored);
  if (text === undefined || text === '') return { description: 'no password' };
  for (const [pattern, format, description] of looks) {
    const match = pattern.exec(text);
    if (!match) continue;
    return { format, description: description.replace(/\$(\d)/g, (_, index) => match[Number(index)] ?? '') };
  }
  return { description: 'of no format that is known, perhaps in the clear' };
}

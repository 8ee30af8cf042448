/** PBKDF2 (RFC 8018 section 5.2) as passlib writes it. */
import { pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Format, Verify } from './contract.ts';
import { fromAb64 } from './encodings.ts';

const PATTERN = /^\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,7})\$([A-Za-z0-9./]{0,128})\$([A-Za-z0-9./]{20,128})$/;
const MOST_ROUNDS = 2_000_000;
/** Bytes. A shorter one would be the start of the same digest, and easier to hit. */
const LENGTHS = { sha1: 20, sha256: 32, sha512: 64 } as const;

const derive = promisify(pbkdf2);

/** @returns undefined if it would cost too much */
export function pbkdf2Verify(
  digestName: 'sha1' | 'sha256' | 'sha512',
  rounds: number,
  salt: Buffer,
  digest: Buffer,
): Verify | undefined {
  if (rounds < 1 || rounds > MOST_ROUNDS || digest.length !== LENGTHS[digestName]) return undefined;
  return async (password) =>
    timingSafeEqual(await derive(password, salt, rounds, digest.length, digestName), digest);
}

function parse(text: string): Verify | undefined {
  const [, name, rounds, saltText = '', digestText = ''] = PATTERN.exec(text) ?? [];
  const [salt, digest] = [fromAb64(saltText), fromAb64(digestText)];
  return salt && digest && pbkdf2Verify((name as 'sha256') ?? 'sha1', Number(rounds), salt, digest);
}

export const pbkdf2Format: Format = {
  parse: ({ text }) => parse(text),
  typical: `$pbkdf2-sha256$29000$${'A'.repeat(22)}$${'A'.repeat(43)}`,
};

/** scrypt (RFC 7914) in the PHC string format. */
import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Format, Verify } from './contract.ts';
import { fromBase64 } from './encodings.ts';

const PATTERN =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{22,128})$/;
/** Bytes. */
const MOST_MEMORY = 64 * 1024 * 1024;
const MOST_LANES = 4;
/** Bytes. A shorter one would be the start of the same digest, and easier to hit. */
const LENGTHS = [32, 64];

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** @returns undefined if it would cost too much */
export function scryptVerify(
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
  salt: Buffer,
  digest: Buffer,
): Verify | undefined {
  const isPower = Number.isInteger(Math.log2(N)) && N >= 2;
  if (!isPower || r < 1 || p < 1 || p > MOST_LANES || 128 * N * r > MOST_MEMORY) return undefined;
  if (!LENGTHS.includes(digest.length)) return undefined;
  const settings = { N, r, p, maxmem: 2 * MOST_MEMORY };
  return async (password) => timingSafeEqual(await derive(password, salt, digest.length, settings), digest);
}

function parse(text: string): Verify | undefined {
  const [, ln, r, p, saltText = '', digestText = ''] = PATTERN.exec(text) ?? [];
  const [salt, digest] = [fromBase64(saltText), fromBase64(digestText)];
  return salt && digest && scryptVerify({ N: 2 ** Number(ln), r: Number(r), p: Number(p) }, salt, digest);
}

export const scryptFormat: Format = {
  parse: ({ text }) => parse(text),
  typical: `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
};

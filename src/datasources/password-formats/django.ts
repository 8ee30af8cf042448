/** What Django's `make_password` writes: the name of the hasher, and behind it what that one writes. */
import { hash } from 'node:crypto';
import { parseArgon2 } from './argon2.ts';
import { parseBcrypt } from './bcrypt.ts';
import type { Costs, Format, Verify } from './contract.ts';
import { fromBase64 } from './encodings.ts';
import { pbkdf2Verify } from './pbkdf2.ts';
import { scryptVerify } from './scrypt.ts';

function parsePbkdf2(digestName: 'sha1' | 'sha256', rest: string): Verify | undefined {
  const [, rounds, salt = '', digestText = ''] = /^(\d{1,7})\$([^$]{1,128})\$([^$]+)$/.exec(rest) ?? [];
  const digest = fromBase64(digestText);
  return digest && pbkdf2Verify(digestName, Number(rounds), Buffer.from(salt), digest);
}

function parseScrypt(rest: string): Verify | undefined {
  const [, N, salt = '', r, p, digestText = ''] =
    /^(\d{1,8})\$([^$]{1,128})\$(\d{1,2})\$(\d{1,2})\$([^$]+)$/.exec(rest) ?? [];
  const digest = fromBase64(digestText);
  return digest && scryptVerify({ N: Number(N), r: Number(r), p: Number(p) }, Buffer.from(salt), digest);
}

/** bcrypt over the digest, so that long passwords count whole. */
function parseBcryptSha256(rest: string): Verify | undefined {
  const verify = parseBcrypt(rest);
  return verify && ((password) => verify(hash('sha256', password)));
}

const hashers: Readonly<Record<string, (rest: string, costs: Costs) => Verify | undefined>> = {
  pbkdf2_sha256: (rest) => parsePbkdf2('sha256', rest),
  pbkdf2_sha1: (rest) => parsePbkdf2('sha1', rest),
  argon2: (rest, costs) => parseArgon2(`$${rest}`, costs),
  bcrypt_sha256: parseBcryptSha256,
  bcrypt: parseBcrypt,
  scrypt: parseScrypt,
};

export const djangoFormat: Format = {
  parse({ text, costs }) {
    const end = text.indexOf('$');
    const name = text.slice(0, Math.max(0, end));
    return Object.hasOwn(hashers, name) ? hashers[name]?.(text.slice(end + 1), costs) : undefined;
  },
  typical: `pbkdf2_sha256$600000$salt$${Buffer.alloc(32).toString('base64')}`,
};

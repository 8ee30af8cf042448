/** Plain digests, with a salt or a key, and passwords in the clear: what older systems stored. */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Format } from './contract.ts';
import { toDigest } from './encodings.ts';

function digestFormat(algorithm: string, length: number): Format {
  return {
    parse({ raw, salt, saltOrder }) {
      const digest = toDigest(raw, length);
      if (!digest) return undefined;
      const parts = (password: string): Uint8Array[] => {
        const own = Buffer.from(password);
        if (!salt) return [own];
        return saltOrder === 'before' ? [salt, own] : [own, salt];
      };
      return async (password) =>
        timingSafeEqual(hash(algorithm, Buffer.concat(parts(password)), 'buffer'), digest);
    },
    typical: '00'.repeat(length),
  };
}

/** SHA-256 keyed with a nonce. */
export const hmacSha256Format: Format = {
  parse({ raw, secret }) {
    const digest = toDigest(raw, 32);
    if (!digest || secret === undefined) return undefined;
    return async (password) =>
      timingSafeEqual(createHmac('sha256', secret).update(password).digest(), digest);
  },
  typical: '00'.repeat(32),
};

export const sha1Format = digestFormat('sha1', 20);
export const sha256Format = digestFormat('sha256', 32);
export const sha512Format = digestFormat('sha512', 64);
export const md5Format = digestFormat('md5', 16);

export const plainFormat: Format = {
  parse({ text }) {
    const digest = hash('sha256', text, 'buffer');
    return async (password) => timingSafeEqual(hash('sha256', password, 'buffer'), digest);
  },
  typical: 'x',
};

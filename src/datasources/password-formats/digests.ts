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
const hmacSha256Format: Format = {
  parse({ raw, secret }) {
    const digest = toDigest(raw, 32);
    if (!digest || secret === undefined) return undefined;
    return async (password) =>
      timingSafeEqual(createHmac('sha256', secret).update(password).digest(), digest);
  },
  typical: '00'.repeat(32),
};

const plainFormat: Format = {
  parse({ text }) {
    const digest = hash('sha256', text, 'buffer');
    return async (password) => timingSafeEqual(hash('sha256', password, 'buffer'), digest);
  },
  typical: 'x',
};

export const digestFormats = {
  sha1: digestFormat('sha1', 20),
  sha256: digestFormat('sha256', 32),
  sha512: digestFormat('sha512', 64),
  'hmac-sha256': hmacSha256Format,
  md5: digestFormat('md5', 16),
  plain: plainFormat,
};

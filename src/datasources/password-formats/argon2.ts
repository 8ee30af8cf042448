/** Argon2 (RFC 9106) in the PHC string format. */
import { argon2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Costs, Format, Verify } from './contract.ts';
import { fromBase64 } from './encodings.ts';

const PATTERN =
  /^\$(argon2id|argon2i|argon2d)\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
/** Memory in KiB; logins run two at a time. */
const MOST: Readonly<Record<Costs, { memory: number; passes: number }>> = {
  usual: { memory: 65_536, passes: 4 },
  dear: { memory: 262_144, passes: 10 },
};
const MOST_LANES = 16;

const derive = promisify(argon2);

export function parseArgon2(text: string, costs: Costs): Verify | undefined {
  const [, algorithm, m, t, p, saltText = '', digestText = ''] = PATTERN.exec(text) ?? [];
  const [memory, passes, parallelism] = [Number(m), Number(t), Number(p)];
  const isAffordable =
    memory <= MOST[costs].memory &&
    passes >= 1 &&
    passes <= MOST[costs].passes &&
    parallelism >= 1 &&
    parallelism <= MOST_LANES;
  if (!isAffordable || memory < 8 * parallelism) return undefined;
  const [nonce, digest] = [fromBase64(saltText), fromBase64(digestText)];
  if (!nonce || !digest || nonce.length < 8 || digest.length < 16) return undefined;
  return async (password) => {
    const settings = { message: password, nonce, memory, passes, parallelism, tagLength: digest.length };
    return timingSafeEqual(await derive(algorithm as 'argon2id', settings), digest);
  };
}

export const argon2Format: Format = {
  parse: ({ text, costs }) => parseArgon2(text, costs),
  // The least that OWASP recommends.
  typical: `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
};

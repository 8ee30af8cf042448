/** bcrypt, as all its implementations write it. */
import { bcrypt } from '../../accounts/bcrypt.ts';
import type { Format, Verify } from './contract.ts';

const PATTERN = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** A cost of 14 keeps a core busy for a second. */
const [CHEAPEST, DEAREST] = [4, 14];

export function parseBcrypt(text: string): Verify | undefined {
  const cost = Number(PATTERN.exec(text)?.[1]);
  if (!(cost >= CHEAPEST && cost <= DEAREST)) return undefined;
  // The library says no to PHP's prefix, which names the same algorithm.
  const hash = text.replace(/^\$2y\$/, '$2b$');
  return (password) => bcrypt.compare(password, hash);
}

const TYPICAL_BCRYPT = `$2b$12$${'.'.repeat(53)}`;

export const bcryptFormat: Format = { parse: ({ text }) => parseBcrypt(text), typical: TYPICAL_BCRYPT };

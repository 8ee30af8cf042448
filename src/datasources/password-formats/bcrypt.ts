/** bcrypt, as all its implementations write it. */
import { bcrypt } from '../../accounts/bcrypt.ts';
import { parseArgon2 } from './argon2.ts';
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

export const bcryptFormat: Format = {
  parse: ({ text }) => parseBcrypt(text),
  typical: `$2b$12$${'.'.repeat(53)}`,
};

/** What PHP's `password_hash` writes. */
export const phpFormat: Format = {
  parse: ({ text, costs }) => (text.startsWith('$2y$') ? parseBcrypt(text) : parseArgon2(text, costs)),
  typical: `$2y$10$${'.'.repeat(53)}`,
};

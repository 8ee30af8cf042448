/** What PHP's `password_hash` writes. */
import { parseArgon2 } from './argon2.ts';
import { parseBcrypt } from './bcrypt.ts';
import type { Format } from './contract.ts';

export const phpFormat: Format = {
  parse: ({ text, costs }) => (text.startsWith('$2y$') ? parseBcrypt(text) : parseArgon2(text, costs)),
  typical: `$2y$10$${'.'.repeat(53)}`,
};

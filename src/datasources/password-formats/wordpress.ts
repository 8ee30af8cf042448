/** WordPress: phpass until 6.7, bcrypt over a keyed digest since 6.8. */
import { createHmac } from 'node:crypto';
import { parseBcrypt } from './bcrypt.ts';
import type { Format, Verify } from './contract.ts';
import { ITOA64 } from './encodings.ts';
import { slowVerify } from './slow.ts';

const PHPASS = /^\$[PH]\$([./0-9A-Za-z])[./0-9A-Za-z]{30}$/;

const BLANKS = ' \t\n\r\0\v';
/** Powers of two. */
const [FEWEST_ROUNDS, MOST_ROUNDS] = [7, 18];

/** As PHP's `trim` does, and no more. */
function trimmed(password: string): string {
  let [from, to] = [0, password.length];
  while (from < to && BLANKS.includes(password.charAt(from))) from += 1;
  while (to > from && BLANKS.includes(password.charAt(to - 1))) to -= 1;
  return password.slice(from, to);
}

function parsePhpass(text: string): Verify | undefined {
  const rounds = ITOA64.indexOf(PHPASS.exec(text)?.[1] ?? '!');
  if (rounds < FEWEST_ROUNDS || rounds > MOST_ROUNDS) return undefined;
  return (password) => slowVerify('phpass', trimmed(password), text);
}

/** `wp_hash_password` of 6.8: the length that bcrypt knows is enough for any password. */
function parseKeyed(text: string): Verify | undefined {
  const verify = parseBcrypt(text.slice('$wp'.length));
  return (
    verify &&
    ((password) => verify(createHmac('sha384', 'wp-sha384').update(trimmed(password)).digest('base64')))
  );
}

export const wordpressFormat: Format = {
  parse({ text }) {
    if (text.startsWith('$wp$2y$')) return parseKeyed(text);
    return text.startsWith('$2y$') ? parseBcrypt(text) : parsePhpass(text);
  },
  typical: `$wp$2y$10$${'.'.repeat(53)}`,
};

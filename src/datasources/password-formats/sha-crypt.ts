/** SHA-256 and SHA-512 crypt of Unix, `$5$` and `$6$`. */
import type { Format } from './contract.ts';
import { slowVerify } from './slow.ts';

const PATTERN =
  /^\$(?:5|6)\$(?:rounds=(\d{4,9})\$)?[./0-9A-Za-z]{0,16}\$(?:[./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/;
const DEFAULT_ROUNDS = 5_000;
const MOST_ROUNDS = 1_000_000;

export const shaCryptFormat: Format = {
  parse({ text }) {
    const [whole, rounds = DEFAULT_ROUNDS] = PATTERN.exec(text) ?? [];
    if (whole === undefined || Number(rounds) > MOST_ROUNDS) return undefined;
    return (password) => slowVerify('sha-crypt', password, text);
  },
  typical: `$6$saltsaltsaltsalt$${'.'.repeat(86)}`,
};

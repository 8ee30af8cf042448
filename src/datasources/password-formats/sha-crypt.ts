/** SHA-256 and SHA-512 crypt of Unix, `$5$` and `$6$`. */
import type { Costs, Format } from './contract.ts';
import { slowVerify } from './slow.ts';

const PATTERN =
  /^\$(?:5|6)\$(?:rounds=(\d{4,9})\$)?[./0-9A-Za-z]{0,16}\$(?:[./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/;
const DEFAULT_ROUNDS = 5_000;
/** Each round hashes the password, so its length is part of the cost. */
const MOST: Readonly<Record<Costs, { rounds: number; passwordBytes: number }>> = {
  usual: { rounds: 200_000, passwordBytes: 256 },
  dear: { rounds: 1_000_000, passwordBytes: 1024 },
};

export const shaCryptFormat: Format = {
  parse({ text, costs }) {
    const most = MOST[costs];
    const [whole, rounds = DEFAULT_ROUNDS] = PATTERN.exec(text) ?? [];
    if (whole === undefined || Number(rounds) > most.rounds) return undefined;
    return async (password) => {
      const isTooLong = Buffer.byteLength(password) > most.passwordBytes;
      const isRight = await slowVerify('sha-crypt', isTooLong ? 'x' : password, text);
      return isRight && !isTooLong;
    };
  },
  typical: `$6$saltsaltsaltsalt$${'.'.repeat(86)}`,
};

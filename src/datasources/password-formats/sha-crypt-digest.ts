/**
 * SHA-crypt as Ulrich Drepper specified it ("Unix crypt using SHA-256 and SHA-512", 2008), step by step. Synchronous:
 * for a thread of its own.
 */
import { createHash, type Hash, hash } from 'node:crypto';
import { encode64 } from './encodings.ts';

/** Three bytes each: one of each third of the digest, of which the first one is turned on by so many in each group. */
const groups = (count: number, turn: number): number[][] =>
  Array.from({ length: count }, (_, group) => {
    const thirds = [group, group + count, group + 2 * count];
    const turned = (group * turn) % 3;
    return [...thirds.slice(turned), ...thirds.slice(0, turned)];
  });

/** The order in which bytes of the digest are spelled; the last group has fewer. */
const ORDERS = {
  sha256: [...groups(10, 2), [31, 30]],
  sha512: [...groups(21, 1), [63]],
} as const;

/** Steps 11 and 12: for each bit of the length, the lowest first. */
function addByBits(digest: Hash, length: number, one: Buffer, zero: Buffer): void {
  for (let bits = length; bits > 0; bits >>>= 1) digest.update(bits & 1 ? one : zero);
}

/** @returns what stands behind the last `$` */
export function shaCryptDigest(
  algorithm: 'sha256' | 'sha512',
  password: Buffer,
  salt: Buffer,
  rounds: number,
): string {
  const alternate = createHash(algorithm).update(password).update(salt).update(password).digest();
  const first = createHash(algorithm).update(password).update(salt);
  first.update(Buffer.alloc(password.length, alternate));
  addByBits(first, password.length, alternate, password);
  let digest = first.digest();

  // Again and again: the password as often as it has bytes, the salt at least 16 times.
  const manyPasswords = hash(algorithm, Buffer.alloc(password.length ** 2, password), 'buffer');
  const P = Buffer.alloc(password.length, manyPasswords);
  const manySalts = hash(algorithm, Buffer.alloc((16 + (digest[0] as number)) * salt.length, salt), 'buffer');
  const S = Buffer.alloc(salt.length, manySalts);

  for (let round = 0; round < rounds; round += 1) {
    const next = createHash(algorithm).update(round % 2 ? P : digest);
    if (round % 3) next.update(S);
    if (round % 7) next.update(P);
    digest = next.update(round % 2 ? digest : P).digest();
  }
  return ORDERS[algorithm]
    .map((group) => encode64(Buffer.from(group.toReversed().map((at) => digest[at] as number))))
    .join('');
}

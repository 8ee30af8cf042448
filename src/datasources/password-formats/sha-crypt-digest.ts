/**
 * SHA-crypt as Ulrich Drepper specified it ("Unix crypt using SHA-256 and SHA-512", 2008), step by step. Synchronous:
 * for a thread of its own.
 */
import { createHash, type Hash } from 'node:crypto';
import { encode64 } from './itoa64.ts';

/** The order in which bytes of the digest are spelled, three by three; the last group has fewer. */
const ORDERS = {
  sha256: [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
    [31, 30],
  ],
  sha512: [
    ...Array.from({ length: 21 }, (_, group) => {
      const first = [group, group + 21, group + 42];
      const turned = group % 3;
      return [...first.slice(turned), ...first.slice(0, turned)];
    }),
    [63],
  ],
} as const;

/** `bytes` again and again until there are `length`. */
function repeated(bytes: Buffer, length: number): Buffer {
  return Buffer.alloc(length, bytes);
}

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
  const first = createHash(algorithm)
    .update(password)
    .update(salt)
    .update(repeated(alternate, password.length));
  addByBits(first, password.length, alternate, password);
  let digest = first.digest();

  const manyPasswords = createHash(algorithm);
  for (let each = 0; each < password.length; each += 1) manyPasswords.update(password);
  const P = repeated(manyPasswords.digest(), password.length);
  const manySalts = createHash(algorithm);
  for (let each = 0; each < 16 + (digest[0] as number); each += 1) manySalts.update(salt);
  const S = repeated(manySalts.digest(), salt.length);

  for (let round = 0; round < rounds; round += 1) {
    const next = createHash(algorithm).update(round % 2 ? P : digest);
    if (round % 3) next.update(S);
    if (round % 7) next.update(P);
    digest = next.update(round % 2 ? digest : P).digest();
  }
  return ORDERS[algorithm]
    .map((group) => encode64(Buffer.from([...group].reverse().map((at) => digest[at] as number))))
    .join('');
}

/** Runs in a thread: see `slow.ts`. */
import { hash, timingSafeEqual } from 'node:crypto';
import { encode64, ITOA64 } from './encodings.ts';
import { shaCryptDigest } from './sha-crypt-digest.ts';

export interface SlowTask {
  readonly format: 'phpass' | 'sha-crypt';
  readonly password: string;
  readonly stored: string;
}

const DEFAULT_ROUNDS = 5_000;
const LEAST_ROUNDS = 1_000;

/** The portable hash of phpass. */
function phpass(password: Buffer, stored: string): string {
  const settings = stored.slice(0, 12);
  const rounds = 2 ** ITOA64.indexOf(settings.charAt(3));
  let digest = hash('md5', Buffer.concat([Buffer.from(settings.slice(4)), password]), 'buffer');
  for (let round = 0; round < rounds; round += 1) {
    digest = hash('md5', Buffer.concat([digest, password]), 'buffer');
  }
  return settings + encode64(digest);
}

function shaCrypt(password: Buffer, stored: string): string {
  const [, kind, ...rest] = stored.split('$');
  const rounds = /^rounds=(\d+)$/.exec(rest[0] ?? '')?.[1];
  const salt = Buffer.from((rounds === undefined ? rest[0] : rest[1]) ?? '');
  const count = Math.max(LEAST_ROUNDS, rounds === undefined ? DEFAULT_ROUNDS : Number(rounds));
  const digest = shaCryptDigest(kind === '5' ? 'sha256' : 'sha512', password, salt, count);
  return stored.slice(0, stored.lastIndexOf('$') + 1) + digest;
}

export default function verify({ format, password, stored }: SlowTask): boolean {
  const bytes = Buffer.from(password);
  const made = format === 'phpass' ? phpass(bytes, stored) : shaCrypt(bytes, stored);
  const [expected, given] = [Buffer.from(stored), Buffer.from(made)];
  return expected.length === given.length && timingSafeEqual(expected, given);
}

/**
 * Random text for ids and secrets. Its bytes are drawn from the system many at a time: a call for a few costs several times
 * what making the id costs. Each byte is given out once and erased here at once.
 */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(4_096);
/** Before it, all bytes have been given out. */
let used = pool.length;

/**
 * @param bytes of randomness, at most 4,096
 * @returns them as base64url
 */
export function randomText(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const from = used;
  used += bytes;
  const text = pool.toString('base64url', from, used);
  pool.fill(0, from, used);
  return text;
}

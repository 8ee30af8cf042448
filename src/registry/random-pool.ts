/**
 * Random bytes for ids and secrets, drawn from the system many at a time: a call for a few costs several times what
 * making the id costs. Each byte is given out once and erased here at once.
 */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(4_096);
/** Before it, all bytes have been given out. */
let used = pool.length;

/**
 * Fills `target` with random bytes.
 * @param from where to begin
 */
export function writeRandom(target: Buffer, from = 0): Buffer {
  const length = target.length - from;
  if (length > pool.length) return randomFillSync(target, from);
  if (used + length > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  pool.copy(target, from, used, used + length);
  pool.fill(0, used, used + length);
  used += length;
  return target;
}

/** What a creation is given before it runs, so that an attempt that is made again makes the same object. */
import { hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import type { Reserved } from './operation.ts';

const SEED_BYTES = 32;

export function reserve(): Reserved {
  return { id: randomUUID(), seed: randomBytes(SEED_BYTES) };
}

/**
 * Bytes of a secret (RFC 5869); the same for the same seed and label.
 * @param label tells the secrets of one creation apart
 */
export function deriveBytes(seed: Buffer, label: string, size: number): Buffer {
  return Buffer.from(hkdfSync('sha256', seed, '', label, size));
}

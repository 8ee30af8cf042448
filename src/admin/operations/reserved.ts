/** What a creation is given before it runs, so that an attempt that is made again makes the same object. */
import { hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import type { Reserved } from './operation.ts';

const SEED_BYTES = 32;
const SECRET_BYTES = 32;

export function reserve(): Reserved {
  return { id: randomUUID(), seed: randomBytes(SEED_BYTES) };
}

/**
 * A secret of 256 bits in base64url (RFC 5869); the same for the same seed and label.
 * @param label tells the secrets of one creation apart
 */
export function deriveSecret(seed: Buffer, label: string): string {
  return Buffer.from(hkdfSync('sha256', seed, '', label, SECRET_BYTES)).toString('base64url');
}

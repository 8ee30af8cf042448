/** Keys of rows that are found by a secret or by a name of any length: hashes, which do not reveal it. */
import { hash } from 'node:crypto';

/** @param bytes of SHA-256; 16 rule out collisions already. Stored keys stay as they are */
export function rowKey(text: string, bytes: 16 | 22): Buffer {
  return hash('sha256', text, 'buffer').subarray(0, bytes);
}

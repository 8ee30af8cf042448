/** Authenticated encryption of small secrets at rest: AES-256-GCM with a random nonce of 96 bits. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** @param aad what the secret is and whose; needed again, unchanged, to open it */
export function encrypt(key: Buffer, plaintext: Buffer, aad: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(
    Buffer.from(aad),
  );
  const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return sealed.toString('base64url');
}

/** Undefined for another key, another `aad`, or a text that was changed in any way. */
export function decrypt(key: Buffer, text: string, aad: string): Buffer | undefined {
  const sealed = Buffer.from(text, 'base64url');
  // Unused bits of the last digit would give one secret several spellings.
  if (!BASE64URL.test(text) || sealed.toString('base64url') !== text) return undefined;
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(aad)).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

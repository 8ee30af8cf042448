/** How the systems that stored a password spelled bytes. */

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const HEX = /^(?:[0-9A-Fa-f]{2})+$/;

/** RFC 4648 section 4, with or without padding; undefined if the text is spelled in no canonical way. */
export function fromBase64(text: string): Buffer | undefined {
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const [digits] = text.split('=', 1);
  return bytes.toString('base64').split('=', 1)[0] === digits ? bytes : undefined;
}

/** Passlib's `ab64`: without padding, and with a dot for the plus. */
export function fromAb64(text: string): Buffer | undefined {
  return text.includes('+') || text.includes('=') ? undefined : fromBase64(text.replaceAll('.', '+'));
}

/** A digest of known length as raw bytes, hexadecimal or Base64, told apart by their lengths. */
export function toDigest(stored: string | Uint8Array, length: number): Buffer | undefined {
  if (typeof stored !== 'string') {
    return stored.length === length ? Buffer.from(stored) : toDigest(Buffer.from(stored).toString(), length);
  }
  const bytes =
    stored.length === 2 * length && HEX.test(stored) ? Buffer.from(stored, 'hex') : fromBase64(stored);
  return bytes?.length === length ? bytes : undefined;
}

/** The digits of `crypt(3)`. */
export const ITOA64 = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Six bits a digit, three bytes at a time, the lowest bits first. */
export function encode64(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = Math.min(3, bytes.length - at);
    const value = bytes.readUIntLE(at, left);
    for (let digit = 0; digit <= left; digit += 1) text += ITOA64.charAt((value >> (6 * digit)) & 63);
  }
  return text;
}

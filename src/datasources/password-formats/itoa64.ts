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

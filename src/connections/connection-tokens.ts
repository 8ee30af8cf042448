/**
 * How a connection token looks: prefix, the connection's id, a secret, a checksum. The checksum tells a typing error
 * and a chance find of a secret scanner from a token of ours without a read; it proves nothing.
 */
import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const CONNECTION_TOKEN = 'gct_';

const PATTERN = new RegExp(`^${CONNECTION_TOKEN}([A-Za-z0-9_-]{22})[A-Za-z0-9_-]{43}([A-Za-z0-9_-]{6})$`);
const CHECKSUM_LENGTH = 6;

function checksum(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return Buffer.from(bytes).toString('base64url');
}

/** @param id the connection's UUID @param bytes 32 */
export function createConnectionToken(id: string, bytes: Uint8Array = randomBytes(32)): string {
  const head = Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
  const body = CONNECTION_TOKEN + head + Buffer.from(bytes).toString('base64url');
  return body + checksum(body);
}

/** @returns the id of the connection that the token names; undefined for any other value */
export function parseConnectionToken(token: string): string | undefined {
  const [, head = '', sum] = PATTERN.exec(token) ?? [];
  if (sum === undefined || checksum(token.slice(0, -CHECKSUM_LENGTH)) !== sum) return undefined;
  const hex = Buffer.from(head, 'base64url').toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** What is stored of it. */
export const hashConnectionToken = (token: string): string => hash('sha256', token, 'base64url');

/**
 * Opaque access tokens and ids of nodes: how they are spelled, and the keys under which the store finds their rows. Refresh
 * tokens are in `refresh-tokens.ts`, connection tokens in `connections/connection-tokens.ts`.
 */
import { hash } from 'node:crypto';
import { randomText } from './random-pool.ts';

/** The prefix tells people and secret scanners what they found. */
export const OPAQUE_ACCESS_TOKEN = 'gat_';

/** The kind is part of the key, so a value of one kind never finds a row of another. */
type HandleKind = 'access-token' | 'jwt';

/** Bytes of the time in milliseconds, as at the head of a UUIDv7 (RFC 9562 section 5.7), and its base64url digits. */
const TIME_BYTES = 6;
const TIME_DIGITS = 8;
/** Digits that spell 16 bytes; of the last one, four bits are left over. */
const HASH_DIGITS = 22;

/** Spelled once for all that is made in one millisecond. */
let latest = { time: Number.NaN, digits: '' };

/** Uses the machine's clock: the time only orders keys, and no decision depends on it. */
function timeDigits(): string {
  const time = Date.now();
  if (time !== latest.time) {
    const bytes = Buffer.alloc(TIME_BYTES);
    bytes.writeUIntBE(time, 0, TIME_BYTES);
    latest = { time, digits: bytes.toString('base64url') };
  }
  return latest.digits;
}

/**
 * The storage key of a secret: the time at its head, then 16 bytes of SHA-256 over kind and value. Keys made
 * at about the same time are neighbours, so a commit touches few pages of an index of any size. 128 bits rule out
 * collisions, and do not reveal the value.
 *
 * @param value from `createNodeId` or `createOpaqueAccessToken`; for any other value no row has the key
 */
export function handleKey(kind: HandleKind, value: string): Buffer {
  const from = kind === 'access-token' ? OPAQUE_ACCESS_TOKEN.length : 0;
  const time = value.slice(from, from + TIME_DIGITS);
  const digest = hash('sha256', `${kind}\0${value}`, 'base64url').slice(0, HASH_DIGITS);
  return Buffer.from(time + digest, 'base64url');
}

/** Milliseconds between drawing the id of a token and its value, at most. */
const DRAWN_WITHIN_MS = 2_000;

/** Between which keys the row of an opaque token is that has this id: its value was drawn right after the id. */
export function keysNear(id: string): { readonly from: Buffer; readonly to: Buffer } {
  const from = Buffer.from(id.slice(0, TIME_DIGITS).padEnd(TIME_DIGITS, 'A'), 'base64url');
  const to = Buffer.alloc(TIME_BYTES);
  to.writeUIntBE(Math.min(from.readUIntBE(0, TIME_BYTES) + DRAWN_WITHIN_MS, 2 ** 48 - 1), 0, TIME_BYTES);
  return { from, to };
}

/** The prefix, the time, and 256 random bits. */
export function createOpaqueAccessToken(): string {
  return OPAQUE_ACCESS_TOKEN + timeDigits() + randomText(32);
}

/** The time and 80 random bits: ids of tokens and logins, which name nodes and are not secret. */
export function createNodeId(): string {
  return timeDigits() + randomText(10);
}

/** By way of text: a buffer that `hash` makes takes twice as long. */
export function sha256(text: string): Buffer {
  return Buffer.from(hash('sha256', text, 'base64url'), 'base64url');
}

/** Fields of documents: when they expire, in filters, bytes, and JSON text. */
import { trusted } from 'mongoose';

export const after = (now: number) => trusted({ $gt: new Date(now) });
export const notAfter = (now: number) => trusted({ $lte: new Date(now) });

/** The driver has its own type for bytes. */
export const toBuffer = (bytes: unknown): Buffer => {
  const { buffer } = bytes as { buffer?: unknown };
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from((Buffer.isBuffer(buffer) ? buffer : bytes) as Uint8Array);
};

export function parseOptional(json: string | undefined): Record<string, unknown> | undefined {
  return json === undefined ? undefined : JSON.parse(json);
}

/** Fields of documents: when they expire, in filters, and bytes. */
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

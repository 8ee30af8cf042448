/**
 * Signatures with node:crypto. OpenSSL gives DER, and this file converts it to the JOSE form: OpenSSL's own JOSE form
 * halves the rate of ES256 on Node 24.
 */
import { constants, type KeyObject, type SignKeyObjectInput, sign } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import type { SigningAlg } from '../nouns/signing-algs.ts';

/** `pool`: on libuv's threads, best with free cores. `sync`: on the event loop, best with one worker per core. */
export type SigningMode = 'pool' | 'sync';

/** Threads do not help a process that may use only one core. */
export function fittingSigningMode(): SigningMode {
  return availableParallelism() === 1 ? 'sync' : 'pool';
}

const COORDINATE_BYTES = 32;

/** ECDSA signature: DER SEQUENCE { INTEGER r, INTEGER s } to r || s (RFC 7518 section 3.4). */
function derToJose(der: Buffer): Buffer {
  const out = Buffer.alloc(2 * COORDINATE_BYTES);
  let at = (der[1] as number) & 0x80 ? 2 + ((der[1] as number) & 0x7f) : 2;
  for (const end of [COORDINATE_BYTES, 2 * COORDINATE_BYTES]) {
    const length = der[at + 1] as number;
    const from = at + 2;
    at = from + length;
    // A leading zero byte only marks the number as positive.
    const significant = der.subarray(Math.max(from, at - COORDINATE_BYTES), at);
    significant.copy(out, end - significant.length);
  }
  return out;
}

/** Options of node:crypto to sign and verify with each algorithm. */
export const SIGNATURES: Readonly<Record<SigningAlg, { digest: string | null; options?: object }>> = {
  ES256: { digest: 'sha256' },
  RS256: { digest: 'sha256' },
  // RFC 7518 section 3.5: the salt is as long as the hash.
  PS256: { digest: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  EdDSA: { digest: null },
};

const signOnPool = promisify(sign);

export type SignBytes = (data: Uint8Array) => Promise<Buffer>;

/** @returns signatures as JOSE has them (RFC 7518 section 3) */
export function createSignBytes(privateKey: KeyObject, alg: SigningAlg, mode: SigningMode): SignBytes {
  const { digest, options } = SIGNATURES[alg];
  // With a key inside an object, node:crypto takes 1.5 times as long for each signature.
  const key: KeyObject | SignKeyObjectInput = options ? { key: privateKey, ...options } : privateKey;
  // RSA signatures take too long for the event loop, whatever the mode.
  const isSync = mode === 'sync' && privateKey.asymmetricKeyType !== 'rsa';
  return async (data) => {
    const signature = isSync ? sign(digest, data, key) : await signOnPool(digest, data, key);
    return alg === 'ES256' ? derToJose(signature) : signature;
  };
}

/**
 * Signing with node:crypto behind the engine's `ExternalSigningKey`. OpenSSL is asked for DER and the two numbers are
 * put side by side here: asking it for the JOSE form halves the rate of ES256 on Node 24.
 */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { ExternalSigningKey } from 'oidc-provider';

export type SigningAlg = 'ES256' | 'RS256' | 'EdDSA';

/** `pool`: on libuv's threads, best while cores are to spare. `sync`: on the event loop, best with a worker per core. */
export type SigningMode = 'pool' | 'sync';

/** Threads are of no use to a process that may use one core only. */
export function fittingSigningMode(): SigningMode {
  return availableParallelism() === 1 ? 'sync' : 'pool';
}

const COORDINATE_BYTES = 32;

/** ECDSA signature: DER SEQUENCE { INTEGER r, INTEGER s } to r || s (RFC 7518 section 3.4). */
export function derToJose(der: Buffer): Buffer {
  const out = Buffer.alloc(2 * COORDINATE_BYTES);
  let at = (der[1] as number) & 0x80 ? 2 + ((der[1] as number) & 0x7f) : 2;
  for (const end of [COORDINATE_BYTES, 2 * COORDINATE_BYTES]) {
    const length = der[at + 1] as number;
    const from = at + 2;
    at = from + length;
    // A leading zero byte only says that the number is positive.
    const significant = der.subarray(Math.max(from, at - COORDINATE_BYTES), at);
    significant.copy(out, end - significant.length);
  }
  return out;
}

const DIGESTS: Record<SigningAlg, string | null> = { ES256: 'sha256', RS256: 'sha256', EdDSA: null };

export class LocalSigningKey extends ExternalSigningKey {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #kid: string;
  readonly #alg: SigningAlg;
  readonly #sync: boolean;

  /** RSA signatures take too long for the event loop, whatever the mode. */
  constructor(key: { kid: string; alg: SigningAlg; privateKey: KeyObject }, mode: SigningMode) {
    super();
    this.#kid = key.kid;
    this.#alg = key.alg;
    this.#privateKey = key.privateKey;
    this.#publicKey = createPublicKey(key.privateKey);
    this.#sync = mode === 'sync' && key.alg !== 'RS256';
  }

  override get kid(): string {
    return this.#kid;
  }

  override get alg(): SigningAlg {
    return this.#alg;
  }

  override keyObject(): KeyObject {
    return this.#publicKey;
  }

  override async sign(data: Uint8Array): Promise<Buffer> {
    const signature = this.#sync
      ? sign(DIGESTS[this.#alg], data, this.#privateKey)
      : await new Promise<Buffer>((resolve, reject) => {
          sign(DIGESTS[this.#alg], data, this.#privateKey, (error, value) =>
            error ? reject(error) : resolve(value),
          );
        });
    return this.#alg === 'ES256' ? derToJose(signature) : signature;
  }
}

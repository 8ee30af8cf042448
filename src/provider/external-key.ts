/** Our signing keys behind the engine's `ExternalSigningKey`. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import { createSignBytes, type SignBytes, type SigningMode } from '../keys/signatures.ts';
import type { SigningAlg } from '../nouns/signing-algs.ts';

export class LocalSigningKey extends ExternalSigningKey {
  readonly #kid: string;
  readonly #alg: SigningAlg;
  readonly #publicKey: KeyObject;
  readonly #sign: SignBytes;

  constructor(key: { kid: string; alg: SigningAlg; privateKey: KeyObject }, mode: SigningMode) {
    super();
    this.#kid = key.kid;
    this.#alg = key.alg;
    this.#publicKey = createPublicKey(key.privateKey);
    this.#sign = createSignBytes(key.privateKey, key.alg, mode);
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

  override sign(data: Uint8Array): Promise<Buffer> {
    return this.#sign(data);
  }
}

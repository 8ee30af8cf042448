/** JWTs of ours, such as access tokens (RFC 9068): signed with the key of their algorithm that is active now. */
import type { AlgChoice, SigningAlg } from '../storage/signing-algs.ts';
import { LocalSigningKey, type SigningMode } from './external-key.ts';
import type { SigningKeys } from './signing-keys.ts';

/**
 * @param claims as JSON
 * @returns the compact form
 */
export type SignJwt = (claims: string, choice: AlgChoice) => Promise<string>;

interface Signer {
  readonly kid: string;
  readonly header: string;
  readonly key: LocalSigningKey;
}

const encode = (json: string): string => Buffer.from(json).toString('base64url');

/** @param typ of the header: what it is, so that nothing is taken for anything else (RFC 8725 section 3.11) */
export function createSignJwt({
  typ,
  signingKeys,
  mode,
}: {
  typ: string;
  signingKeys: SigningKeys;
  mode: SigningMode;
}): SignJwt {
  const signers = new Map<SigningAlg, Signer>();
  const signerFor = (choice: AlgChoice): Signer => {
    const { kid, alg, privateKey } = signingKeys.active(...choice);
    const known = signers.get(alg);
    if (known?.kid === kid) return known;
    const header = encode(JSON.stringify({ alg, typ, kid }));
    const signer = { kid, header, key: new LocalSigningKey({ kid, alg, privateKey }, mode) };
    signers.set(alg, signer);
    return signer;
  };
  return async (claims, choice) => {
    const { header, key } = signerFor(choice);
    const input = `${header}.${encode(claims)}`;
    return `${input}.${(await key.sign(Buffer.from(input))).toString('base64url')}`;
  };
}

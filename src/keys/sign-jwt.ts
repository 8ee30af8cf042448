/** Signs JWTs of this server, such as access tokens (RFC 9068), with the active key of their algorithm. */
import type { AlgChoice } from '../nouns/signing-algs.ts';
import { createSignBytes, type SignBytes, type SigningMode } from './signatures.ts';
import type { SigningKeys } from './signing-keys.ts';

/**
 * @param claims as JSON
 * @param typ of the header: the kind of JWT, so that one kind is not accepted as another (RFC 8725 section 3.11)
 * @returns the compact form
 */
export type SignJwt = (claims: string, choice: AlgChoice, typ: string) => Promise<string>;

interface Signer {
  readonly kid: string;
  readonly header: string;
  readonly sign: SignBytes;
}

const encode = (json: string): string => Buffer.from(json).toString('base64url');

export function createSignJwt(signingKeys: Pick<SigningKeys, 'active'>, mode: SigningMode): SignJwt {
  const signers = new Map<string, Signer>();
  const signerFor = (choice: AlgChoice, typ: string): Signer => {
    const { kid, alg, privateKey } = signingKeys.active(...choice);
    const name = `${alg} ${typ}`;
    const known = signers.get(name);
    if (known?.kid === kid) return known;
    const header = encode(JSON.stringify({ alg, typ, kid }));
    const signer = { kid, header, sign: createSignBytes(privateKey, alg, mode) };
    signers.set(name, signer);
    return signer;
  };
  return async (claims, choice, typ) => {
    const { header, sign } = signerFor(choice, typ);
    const input = `${header}.${encode(claims)}`;
    return `${input}.${(await sign(Buffer.from(input))).toString('base64url')}`;
  };
}

/**
 * Secrets of datasources at rest. Each is sealed for one datasource of one organization: copied to another row it does
 * not open.
 */
import type { Vault } from '../storage/vault.ts';

type Owner = { readonly id: string; readonly organization: string };

export interface Credentials {
  seal(secret: string, owner: Owner): string;
  /** @throws BrokenSeal */
  open(sealed: string, owner: Owner): string;
}

const aadOf = ({ id, organization }: Owner): string => `datasource/${organization}/${id}`;

export function createCredentials(vault: Pick<Vault, 'seal' | 'open'>): Credentials {
  return {
    seal: (secret, owner) => vault.seal(secret, aadOf(owner)),
    open: (sealed, owner) => vault.open(sealed, aadOf(owner)).toString(),
  };
}

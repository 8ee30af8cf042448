/**
 * Secrets of datasources at rest. Each is sealed for one datasource of one organization: copied to another row it does
 * not open.
 */

import type { Datasource, UserTable } from '../nouns/index.ts';
import type { PasswordFormat } from '../nouns/password-formats.ts';
import { defined } from '../storage/defined.ts';
import type { Vault } from '../storage/vault.ts';
import type { Costs } from './password-formats/contract.ts';
import type { FormatSettings } from './password-formats/index.ts';

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

/** How the passwords of a user table are stored. @throws BrokenSeal */
export function formatSettings(
  datasource: Datasource,
  { passwordFormat, saltOrder, sealedSecret }: UserTable,
  credentials: Pick<Credentials, 'open'>,
  costs: Costs,
): FormatSettings {
  return defined({
    costs,
    format: passwordFormat as PasswordFormat,
    saltOrder,
    secret: sealedSecret === undefined ? undefined : credentials.open(sealedSecret, datasource),
  });
}

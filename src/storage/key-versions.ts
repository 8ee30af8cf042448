/** Rows of the key store and the versions of keys that are wrapped in them. */
import type { StoredKey } from './contract.ts';
import { decrypt, encrypt } from './sealing.ts';
import { DamagedKeyStore } from './vault-errors.ts';

export const KEY_BYTES = 32;

/** Purpose of the keys that seal all others. */
export const DATA = 'data';

const SEALED = /^g1\.(data-\d+)\.([A-Za-z0-9_-]+)$/;

/** One version of a secret: 32 bytes, and an id that may be stored beside what was made with it. */
export interface SecretVersion {
  readonly id: string;
  readonly key: Buffer;
}

export interface Version extends SecretVersion {
  readonly number: number;
  readonly activeFrom: number;
}

/** Binds a wrapped key to its row. */
export function keyName({ id, purpose }: Pick<StoredKey, 'id' | 'purpose'>): string {
  return `key/${purpose}/${id}`;
}

/** Newest first. @throws DamagedKeyStore */
export function openVersions(
  rows: readonly StoredKey[],
  purpose: string,
  openRow: (row: StoredKey) => Buffer | undefined,
): readonly Version[] {
  return rows
    .filter((row) => row.purpose === purpose)
    .map((row) => {
      const key = openRow(row);
      const number = Number(row.id.slice(purpose.length + 1));
      if (key?.length !== KEY_BYTES || row.id !== `${purpose}-${number}`) {
        throw new DamagedKeyStore(
          `The row ${row.id} of the key store was changed: restore it from a backup.`,
        );
      }
      return { id: row.id, key, number, activeFrom: row.activeFrom };
    })
    .sort((a, b) => b.number - a.number);
}

/** As `openVersions`, for secrets, which data keys seal. */
export function openSecrets(
  rows: readonly StoredKey[],
  dataKeys: readonly Version[],
  purpose: string,
): readonly Version[] {
  return openVersions(rows, purpose, (row) => findOpened(dataKeys, row.sealed, keyName(row)));
}

/** `g1.<data key id>.<base64url>` */
export function sealUnder(version: SecretVersion, plaintext: Buffer, aad: string): string {
  return `g1.${version.id}.${encrypt(version.key, plaintext, `${version.id}\0${aad}`)}`;
}

/** Undefined for what was not sealed here, under one of these keys, with the same `aad`. */
export function findOpened(dataKeys: readonly Version[], sealed: string, aad: string): Buffer | undefined {
  const [, id, ciphertext] = SEALED.exec(sealed) ?? [];
  const version = dataKeys.find((candidate) => candidate.id === id);
  return version && ciphertext ? decrypt(version.key, ciphertext, `${version.id}\0${aad}`) : undefined;
}

/**
 * The server's own secrets: data keys, wrapped by the master key, that encrypt what must be readable again (private
 * keys, credentials); and one 32-byte HMAC secret per purpose, sealed under them. A copy of the store holds none of
 * them in the clear. It leaves to others what is sealed, and where the rows are kept (`KeyStore`).
 *
 * Every secret has versions: the current one signs and seals, older ones still verify and open. What is read stays in memory until
 * `refresh` finds that another process changed a key.
 */
import { randomBytes } from 'node:crypto';
import type { KeyStore, StoredKey } from './contract.ts';
import {
  DATA,
  findOpened,
  KEY_BYTES,
  keyName,
  openSecrets,
  openVersions,
  type SecretVersion,
  sealUnder,
  type Version,
} from './key-versions.ts';
import { createKeyFile, findKeyFile, type MasterKey, parseMasterKey } from './master-key.ts';
import { decrypt, encrypt } from './sealing.ts';
import { BrokenSeal, DamagedKeyStore, MissingMasterKey, WrongMasterKey } from './vault-errors.ts';

export type { MasterKey } from './master-key.ts';
export { BrokenSeal, DamagedKeyStore, MissingMasterKey, VaultError, WrongMasterKey } from './vault-errors.ts';

export type Vault = Awaited<ReturnType<typeof openVault>>;

/** The versions of one purpose. Follows `refresh` and `rotateSecrets`. */
export type SecretRing = Awaited<ReturnType<Vault['ring']>>;

interface Snapshot {
  readonly revision: number;
  readonly rows: readonly StoredKey[];
  readonly dataKeys: readonly Version[];
  readonly secrets: Map<string, readonly Version[]>;
}

const CHECK = 'check';
const CHECK_NAME = keyName({ id: CHECK, purpose: CHECK });
const NOT_SECRETS: ReadonlySet<string> = new Set([CHECK, DATA, 'signing']);
/** Processes derive ids of signing keys from `firstSigningKeys` and must agree on them; it protects nothing. */
const NOT_ROTATED: ReadonlySet<string> = new Set([CHECK, 'signing', 'firstSigningKeys']);
const PURPOSE = /^[a-z][A-Za-z0-9]*$/;

/**
 * @throws WrongMasterKey, MissingMasterKey, DamagedKeyStore, each with a sentence for the operator; nothing is changed
 *   then. In an empty store the first keys are made, and with source `data-folder` the key file too.
 */
export async function openVault({
  keys,
  masterKey,
  now,
}: {
  readonly keys: KeyStore;
  readonly masterKey: MasterKey;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  // The rows come first: where there are any, the file that wraps them has been there before.
  const there = await keys.list();
  const master = await requireMasterKey(masterKey, there);
  if (there.length === 0) {
    const sealed = encrypt(master, Buffer.from(CHECK), CHECK_NAME);
    await keys.insert({ id: CHECK, purpose: CHECK, sealed, createdAt: now(), activeFrom: now() });
  }
  requireRightKey(there.length === 0 ? await keys.list() : there, master, masterKey);
  const watched = new Set<string>();
  let snapshot = await load();
  if (snapshot.dataKeys.length === 0) {
    if (snapshot.rows.some(({ id }) => id !== CHECK)) {
      throw new DamagedKeyStore('The key store has lost its data keys: restore it from a backup.');
    }
    await insertVersion(DATA, 1, 0);
    snapshot = await load();
  }
  let reloading: Promise<void> = Promise.resolve();
  let lookedAt = now();

  async function load(): Promise<Snapshot> {
    const revision = await keys.revision();
    const rows = await keys.list();
    const dataKeys = openVersions(rows, DATA, (row) => decrypt(master, row.sealed, keyName(row)));
    const secrets = new Map<string, readonly Version[]>();
    for (const purpose of watched) secrets.set(purpose, openSecrets(rows, dataKeys, purpose));
    return { revision, rows, dataKeys, secrets };
  }

  /** One after the other, so that a slow reader never brings back what is older than what is there. */
  function reload(): Promise<void> {
    reloading = reloading
      .catch(() => undefined)
      .then(async () => {
        snapshot = await load();
      });
    return reloading;
  }

  function versionsOf(purpose: string): readonly Version[] {
    if (purpose === DATA) return snapshot.dataKeys;
    const known = snapshot.secrets.get(purpose);
    if (known) return known;
    const opened = openSecrets(snapshot.rows, snapshot.dataKeys, purpose);
    watched.add(purpose);
    snapshot.secrets.set(purpose, opened);
    return opened;
  }

  function current(purpose: string): Version {
    const versions = versionsOf(purpose);
    const at = now();
    // A clock that was set back must not leave the server without a secret.
    return required(versions.find(({ activeFrom }) => activeFrom <= at) ?? versions.at(-1), purpose);
  }

  /**
   * Encrypts under the current data key.
   * @param aad what it is and whose, e.g. `signing/<kid>`; a sealed value opens only with the same, so one that was
   *   moved to another row does not open there
   */
  function seal(plaintext: Buffer | string, aad: string): string {
    if (aad === '') throw new TypeError('sealing needs an aad');
    return sealUnder(current(DATA), Buffer.from(plaintext), aad);
  }

  async function insertVersion(purpose: string, number: number, activeInMs: number): Promise<void> {
    const id = `${purpose}-${number}`;
    const key = randomBytes(KEY_BYTES);
    const name = keyName({ id, purpose });
    const sealed = purpose === DATA ? encrypt(master, key, name) : seal(key, name);
    const createdAt = now();
    // If another process was first, its row counts.
    await keys.insert({ id, purpose, sealed, createdAt, activeFrom: createdAt + activeInMs });
  }

  /** Whether a version became the current one since the last look. */
  function hasNewCurrent(): boolean {
    const [from, until] = [lookedAt, now()];
    lookedAt = until;
    return snapshot.rows.some(({ activeFrom }) => activeFrom > from && activeFrom <= until);
  }

  return {
    seal,
    /** @throws BrokenSeal */
    open(sealed: string, aad: string): Buffer {
      const opened = findOpened(snapshot.dataKeys, sealed, aad);
      if (opened) return opened;
      throw new BrokenSeal(
        `What is sealed as ${aad} does not open: it was changed, moved, or sealed under a key that this store does not have.`,
      );
    },
    /** The secret of a purpose. Made at its first use; processes that start at once agree on one. */
    async ring(purpose: string) {
      requirePurpose(purpose);
      if (versionsOf(purpose).length === 0) {
        await insertVersion(purpose, 1, 0);
        await reload();
      }
      return {
        current: (): SecretVersion => current(purpose),
        /** The current one first, then the others, newest first. */
        all(): readonly SecretVersion[] {
          const first = current(purpose);
          return [first, ...versionsOf(purpose).filter((version) => version !== first)];
        },
        byId: (id: string): Buffer | undefined =>
          versionsOf(purpose).find((version) => version.id === id)?.key,
      };
    },
    /**
     * Makes a new version of every secret and of the key that seals. What was made with the earlier ones stays good, and what
     * is sealed stays as it is. Two callers at once make one.
     * @param activeInMs when the new ones are used first. Other processes must have refreshed by then, or they do not
     *   know what was made with them.
     * @returns their ids
     */
    async rotateSecrets(activeInMs: number): Promise<readonly string[]> {
      await reload();
      const purposes = new Set([DATA, ...snapshot.rows.map(({ purpose }) => purpose)]).difference(
        NOT_ROTATED,
      );
      const made = [...purposes].map(
        (purpose) => [purpose, (versionsOf(purpose)[0]?.number ?? 0) + 1] as const,
      );
      for (const [purpose, number] of made) {
        await insertVersion(purpose, number, activeInMs);
        await reload();
      }
      return made.map(([purpose, number]) => `${purpose}-${number}`);
    },
    /**
     * Reads again if any key changed in the store; one cheap read if none did.
     * @returns whether it did, or a version that was made for later is the current one
     */
    async refresh(): Promise<boolean> {
      const isSame = (await keys.revision()) === snapshot.revision;
      if (!isSame) await reload();
      return hasNewCurrent() || !isSame;
    },
  };
}

function requirePurpose(purpose: string): void {
  if (PURPOSE.test(purpose) && !NOT_SECRETS.has(purpose)) return;
  throw new TypeError(`"${purpose}" is not a purpose of a secret`);
}

function required(version: Version | undefined, purpose: string): Version {
  if (version) return version;
  throw new DamagedKeyStore(`The key store keeps no key of purpose ${purpose}.`);
}

async function requireMasterKey(masterKey: MasterKey, rows: readonly StoredKey[]): Promise<Buffer> {
  if (masterKey.source !== 'data-folder') return masterKey.key;
  const { path } = masterKey;
  let text = await findKeyFile(path);
  if (text === undefined) {
    if (rows.length > 0) {
      throw new MissingMasterKey(
        `The store was made with the key file ${path}, which is gone: put it back, or give its content in GRANTABLE_MASTER_KEY.`,
      );
    }
    await createKeyFile(path);
    text = await findKeyFile(path);
  }
  try {
    return parseMasterKey(text ?? '');
  } catch (cause) {
    const why = (cause as Error).message;
    throw new WrongMasterKey(`The key file ${path} does not hold a master key: ${why}.`, { cause });
  }
}

/** The check value tells a wrong master key from a damaged store. */
function requireRightKey(rows: readonly StoredKey[], master: Buffer, masterKey: MasterKey): void {
  const check = rows.find(({ id }) => id === CHECK);
  if (!check) throw new DamagedKeyStore('The key store has lost its check value: restore it from a backup.');
  if (decrypt(master, check.sealed, CHECK_NAME)) return;
  const given = {
    env: 'The key in GRANTABLE_MASTER_KEY',
    file: `The key in the file ${masterKey.path} (GRANTABLE_MASTER_KEY_FILE)`,
    'data-folder': `The key in ${masterKey.path}`,
  }[masterKey.source];
  throw new WrongMasterKey(`${given} is not the master key that this store was made with.`);
}

/**
 * The signing keys: one active per algorithm, the next one published before it signs, retired ones published until
 * the last token they signed has expired. Private parts are sealed in the store.
 */
import { createHmac, createPrivateKey, generateKeyPair, hash, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyStore, StoredKey } from '../storage/contract.ts';
import type { Vault } from '../storage/vault.ts';
import type { SigningAlg } from './external-key.ts';

export const SIGNING_ALGS: readonly SigningAlg[] = ['ES256', 'RS256', 'EdDSA'];

/** Seconds that others may cache the JWKS: a new key is published at least this long before it signs. */
export const JWKS_CACHE_SECONDS = 300;

const PURPOSE = 'signing';
const generate = promisify(generateKeyPair);

export interface SigningKey {
  readonly kid: string;
  readonly alg: SigningAlg;
  readonly privateKey: KeyObject;
  readonly publicJwk: Record<string, unknown>;
  /** Milliseconds. */
  readonly createdAt: number;
  readonly activeFrom: number;
  readonly retiredAt?: number;
  readonly expiresAt?: number;
}

export type KeyState = 'next' | 'active' | 'retired';

export interface SigningKeys {
  /** All published keys, per algorithm the active one first. */
  published(): readonly SigningKey[];
  /** The key that signs at this moment. @throws Error if there is none */
  active(alg: SigningAlg): SigningKey;
  stateOf(key: SigningKey): KeyState;
  /** Re-reads the store if any key changed; true if the set that is published changed. */
  refresh(): Promise<boolean>;
  /** Milliseconds until the next change that needs no write: a key becomes active, or is no longer published. */
  untilNextChange(): number;
}

export interface SigningKeysDeps {
  readonly keys: KeyStore;
  readonly vault: Vault;
  /** Milliseconds. */
  readonly now: () => number;
}

async function createKeyPair(alg: SigningAlg): Promise<KeyObject> {
  if (alg === 'ES256') return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
  if (alg === 'RS256') return (await generate('rsa', { modulusLength: 2048 })).privateKey;
  return (await generate('ed25519')).privateKey;
}

function publicJwkOf(privateKey: KeyObject): Record<string, unknown> {
  const jwk = privateKey.export({ format: 'jwk' });
  const { kty, crv, x, y, n, e } = jwk;
  return Object.fromEntries(
    Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined),
  );
}

/** RFC 7638 thumbprint. */
function thumbprint(jwk: Record<string, unknown>): string {
  const members = Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)));
  return hash('sha256', JSON.stringify(members), 'base64url');
}

async function storeNewKey(
  { keys, vault, now }: SigningKeysDeps,
  alg: SigningAlg,
  activeFrom: number,
  id?: string,
): Promise<StoredKey> {
  const privateKey = await createKeyPair(alg);
  const publicJwk = publicJwkOf(privateKey);
  // On a command line a leading hyphen would make an option of it.
  const kid = (id ?? thumbprint(publicJwk)).replace(/^-/, '_');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  const stored: StoredKey = {
    id: kid,
    purpose: PURPOSE,
    alg,
    publicJwk,
    sealed: vault.seal(Buffer.from(pem), `${PURPOSE} ${kid}`),
    createdAt: now(),
    activeFrom,
  };
  await keys.insert(stored);
  return stored;
}

function open(stored: StoredKey, vault: Vault): SigningKey {
  return {
    kid: stored.id,
    alg: stored.alg as SigningAlg,
    privateKey: createPrivateKey(vault.open(stored.sealed, `${PURPOSE} ${stored.id}`)),
    publicJwk: stored.publicJwk ?? {},
    createdAt: stored.createdAt,
    activeFrom: stored.activeFrom,
    ...(stored.retiredAt !== undefined && { retiredAt: stored.retiredAt }),
    ...(stored.expiresAt !== undefined && { expiresAt: stored.expiresAt }),
  };
}

async function listSigningKeys(keys: KeyStore): Promise<StoredKey[]> {
  return (await keys.list()).filter(({ purpose }) => purpose === PURPOSE);
}

/**
 * Makes what is missing. Two processes that start at once must end with one first key per algorithm: its `kid` comes
 * from a secret of this deployment on which both agree, so that only one of them can insert it, and a deployment made
 * anew has others. The `kid` of later keys is their thumbprint.
 */
async function ensureFirstKeys(deps: SigningKeysDeps): Promise<void> {
  const stored = await listSigningKeys(deps.keys);
  const missing = SIGNING_ALGS.filter((alg) => !stored.some((key) => key.alg === alg));
  if (missing.length === 0) return;
  const { key } = await deps.vault.secret('firstSigningKeys');
  for (const alg of missing) {
    await storeNewKey(deps, alg, deps.now(), createHmac('sha256', key).update(alg).digest('base64url'));
  }
}

export async function loadSigningKeys(deps: SigningKeysDeps): Promise<SigningKeys> {
  const { keys, vault, now } = deps;
  await ensureFirstKeys(deps);
  let revision = await keys.revision();
  const opened = new Map<string, SigningKey>();
  let all: SigningKey[] = [];

  async function read(): Promise<void> {
    const stored = await listSigningKeys(keys);
    all = stored.map((key) => {
      const known = opened.get(key.id);
      const current = known ? { ...open({ ...key }, vault), privateKey: known.privateKey } : open(key, vault);
      opened.set(key.id, current);
      return current;
    });
  }

  const isPublished = (key: SigningKey): boolean => key.expiresAt === undefined || key.expiresAt > now();
  /** A clock that was set back to before the first key must not stop the server: the oldest key signs then. */
  const active = (alg: SigningAlg): SigningKey | undefined => {
    const candidates = all
      .filter(
        (key) =>
          key.alg === alg &&
          isPublished(key) &&
          !(key.retiredAt !== undefined && key.retiredAt <= key.activeFrom),
      )
      .sort((a, b) => a.activeFrom - b.activeFrom);
    return candidates.findLast(({ activeFrom }) => activeFrom <= now()) ?? candidates[0];
  };
  const published = (): SigningKey[] => {
    const first = SIGNING_ALGS.flatMap((alg) => active(alg) ?? []);
    return [...first, ...all.filter((key) => isPublished(key) && !first.includes(key))];
  };
  const fingerprint = (): string =>
    published()
      .map(({ kid }) => kid)
      .join(' ');

  await read();
  let lastFingerprint = fingerprint();
  return {
    published,
    active(alg) {
      const key = active(alg);
      if (!key) throw new Error(`no active signing key for ${alg}`);
      return key;
    },
    stateOf(key) {
      if (active(key.alg) === key) return 'active';
      return key.activeFrom > now() ? 'next' : 'retired';
    },
    async refresh() {
      const latest = await keys.revision();
      if (latest !== revision) {
        revision = latest;
        await read();
      }
      const current = fingerprint();
      const changed = current !== lastFingerprint;
      lastFingerprint = current;
      return changed;
    },
    untilNextChange() {
      const moments = all.flatMap(({ activeFrom, expiresAt }) => [activeFrom, expiresAt ?? 0]);
      return Math.min(...moments.filter((moment) => moment > now()), Number.POSITIVE_INFINITY) - now();
    },
  };
}

/**
 * A new key for each algorithm: published at once, signing after the JWKS' cache time, or at once with `immediately`.
 * The keys before it stay published until the last token they can have signed has expired.
 * @param longestLifetime seconds that a token may live
 */
export async function rotateSigningKeys(
  deps: SigningKeysDeps,
  { immediately, longestLifetime }: { immediately: boolean; longestLifetime: number },
): Promise<StoredKey[]> {
  const activeFrom = immediately ? deps.now() : deps.now() + JWKS_CACHE_SECONDS * 1000;
  const before = await listSigningKeys(deps.keys);
  const made: StoredKey[] = [];
  for (const alg of SIGNING_ALGS) made.push(await storeNewKey(deps, alg, activeFrom));
  for (const key of before) {
    if (key.retiredAt === undefined || key.retiredAt > activeFrom) {
      await deps.keys.replace({
        ...key,
        retiredAt: activeFrom,
        expiresAt: activeFrom + longestLifetime * 1000,
      });
    }
  }
  return made;
}

/**
 * Takes a compromised key away at once: nothing it signed verifies any more, here or by the JWKS.
 * @throws Error if there is no such key
 */
export async function removeSigningKey(deps: SigningKeysDeps, kid: string): Promise<void> {
  const stored = await listSigningKeys(deps.keys);
  const compromised = stored.find((key) => key.id === kid);
  if (!compromised) throw new Error(`no signing key ${kid}`);
  const others = stored.filter((key) => key.alg === compromised.alg && key.id !== kid);
  const next = others.find((key) => key.retiredAt === undefined);
  if (!next) await storeNewKey(deps, compromised.alg as SigningAlg, deps.now());
  // Published already, so it need not wait for its time.
  else if (next.activeFrom > deps.now()) await deps.keys.replace({ ...next, activeFrom: deps.now() });
  await deps.keys.remove(kid);
}

/**
 * Signing keys: which keys exist, when each signs and is published, and whether one of them signed a JWT. `provider`
 * owns how the engine signs. It serves no routes.
 *
 * This file: the keys. For each algorithm that a resource or an application names: one active key, the next key,
 * published before it signs, and retired keys, published until the last token that they signed has expired. Private
 * parts are sealed in the store. `key-plan.ts` says when a key signs.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type JsonWebKeyInput,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint } from 'jose';
import type { AlgChoice, SigningAlg } from '../nouns/signing-algs.ts';
import type { KeyStore, StoredKey } from '../storage/contract.ts';
import type { Vault } from '../storage/vault.ts';
import {
  chooseSigner,
  JWKS_CACHE_SECONDS,
  type KeyState,
  type KeyStep,
  keyStateOf,
  planKeys,
  publishedOf,
  signersHoldUntil,
} from './key-plan.ts';

const PURPOSE = 'signing';
const generate = promisify(generateKeyPair);

export interface SigningKey extends Pick<StoredKey, 'createdAt' | 'activeFrom' | 'retiredAt' | 'expiresAt'> {
  readonly kid: string;
  readonly alg: SigningAlg;
  readonly privateKey: KeyObject;
  readonly publicJwk: JsonWebKeyInput['key'];
}

export interface SigningKeysDeps {
  readonly keys: KeyStore;
  readonly vault: Vault;
  /** Milliseconds. */
  readonly now: () => number;
}

async function createKeyPair(alg: SigningAlg): Promise<KeyObject> {
  if (alg === 'ES256') return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
  if (alg === 'EdDSA') return (await generate('ed25519')).privateKey;
  return (await generate('rsa', { modulusLength: 2048 })).privateKey;
}

async function storeNewKey(
  { keys, vault, now }: SigningKeysDeps,
  alg: SigningAlg,
  activeFrom: number,
  id?: string,
): Promise<StoredKey> {
  const privateKey = await createKeyPair(alg);
  const publicJwk = createPublicKey(privateKey).export({ format: 'jwk' });
  // A command line would read a leading hyphen as an option.
  const kid = (id ?? (await calculateJwkThumbprint(publicJwk))).replace(/^-/, '_');
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

/** @param opened its private key, if that was unsealed before */
function open(stored: StoredKey, vault: Vault, opened?: KeyObject): SigningKey {
  const { id: kid, purpose: _purpose, sealed, alg, publicJwk = {}, ...times } = stored;
  const privateKey = opened ?? createPrivateKey(vault.open(sealed, `${PURPOSE} ${kid}`));
  return { kid, alg: alg as SigningAlg, privateKey, publicJwk, ...times };
}

/** Of any state, oldest first. */
export async function listSigningKeys(keys: Pick<KeyStore, 'list'>): Promise<StoredKey[]> {
  return (await keys.list()).filter(({ purpose }) => purpose === PURPOSE);
}

/**
 * Two processes with the same plan must end with one key. Its `kid` comes from a secret that they share, so only one of
 * them can insert it, and a new deployment has other ids.
 */
async function carryOut(step: KeyStep, deps: SigningKeysDeps): Promise<void> {
  if (step.kind === 'replace') return deps.keys.replace(step.key);
  const { alg, activeFrom, after } = step;
  const { key } = (await deps.vault.ring('firstSigningKeys')).current();
  const name = after === undefined ? alg : `${alg} after ${after}`;
  await storeNewKey(deps, alg, activeFrom, createHmac('sha256', key).update(name).digest('base64url'));
}

export type SigningKeys = Awaited<ReturnType<typeof loadSigningKeys>>;

/** A new store has no keys; the first `follow` makes them. */
export async function loadSigningKeys(deps: SigningKeysDeps) {
  const { keys, vault, now } = deps;
  let revision = await keys.revision();
  const opened = new Map<string, SigningKey>();
  let stored: readonly StoredKey[] = [];
  let all: readonly SigningKey[] = [];
  /** By choice. Found at `from`; true until `until`, unless the clock is set back. */
  let signers = { byChoice: new Map<string, SigningKey>(), from: 0, until: 0 };

  async function read(): Promise<void> {
    stored = await listSigningKeys(keys);
    all = stored.map((key) => {
      const current = open(key, vault, opened.get(key.id)?.privateKey);
      opened.set(key.id, current);
      return current;
    });
    signers.until = 0;
  }

  /** All published keys, per algorithm the active one first. */
  const published = (): readonly SigningKey[] => publishedOf(all, now());
  const stateOf = (key: SigningKey): KeyState => keyStateOf(all, key, now());
  const fingerprint = (): string =>
    published()
      .map((key) => `${key.kid} ${stateOf(key)}`)
      .join(' ');

  await read();
  let lastFingerprint = fingerprint();

  /** Re-reads the store if any key changed; true if the published or the signing keys changed. */
  async function refresh(): Promise<boolean> {
    const latest = await keys.revision();
    if (latest !== revision) {
      revision = latest;
      await read();
    }
    const current = fingerprint();
    const changed = current !== lastFingerprint;
    lastFingerprint = current;
    return changed;
  }

  return {
    published,
    /** The key that signs at this moment for a choice. @throws Error without one */
    active(...choice: AlgChoice): SigningKey {
      const at = now();
      if (at < signers.from || at >= signers.until) {
        signers = { byChoice: new Map(), from: at, until: signersHoldUntil(all, at) };
      }
      const name = choice.join(', ');
      const key = signers.byChoice.get(name) ?? chooseSigner(all, choice, at);
      if (!key) throw new Error(`no active signing key for ${name}`);
      signers.byChoice.set(name, key);
      return key;
    },
    stateOf,
    refresh,
    /**
     * Makes, retires and takes back keys as the directory names algorithms; every process may do so at any time.
     * @param choices of all resources and applications
     * @param longestLifetime seconds that a token may live
     * @returns true if the published or the signing keys changed
     */
    async follow(choices: readonly AlgChoice[], longestLifetime: number): Promise<boolean> {
      const changedBefore = await refresh();
      const steps = planKeys(stored, choices, { now: now(), longestLifetime });
      if (steps.length === 0) return changedBefore;
      for (const step of steps) await carryOut(step, deps);
      return (await refresh()) || changedBefore;
    },
  };
}

/**
 * A new key for each algorithm in use: published at once, signing after the lead, or at once with `immediately`. The keys before it
 * stay published until the last token they can have signed has expired.
 * @param longestLifetime seconds that a token may live
 * @param lead seconds; not less than the JWKS' cache time, which it is unless said otherwise
 */
export async function rotateSigningKeys(
  deps: SigningKeysDeps,
  {
    immediately,
    longestLifetime,
    lead = JWKS_CACHE_SECONDS,
  }: { immediately: boolean; longestLifetime: number; lead?: number },
): Promise<StoredKey[]> {
  const activeFrom = immediately ? deps.now() : deps.now() + Math.max(lead, JWKS_CACHE_SECONDS) * 1000;
  const before = await listSigningKeys(deps.keys);
  const made: StoredKey[] = [];
  const inUse = new Set(before.filter(({ retiredAt }) => retiredAt === undefined).map(({ alg }) => alg));
  for (const alg of inUse) made.push(await storeNewKey(deps, alg as SigningAlg, activeFrom));
  const retired = { retiredAt: activeFrom, expiresAt: activeFrom + longestLifetime * 1000 };
  for (const key of before) {
    if (key.retiredAt === undefined || key.retiredAt > activeFrom) {
      await deps.keys.replace({ ...key, ...retired });
    }
  }
  return made;
}

/**
 * Takes a compromised key away at once: tokens that it signed fail verification at once, here and by the JWKS.
 * @returns whether there was such a key
 */
export async function removeSigningKey(deps: SigningKeysDeps, kid: string): Promise<boolean> {
  const stored = await listSigningKeys(deps.keys);
  const compromised = stored.find((key) => key.id === kid);
  if (!compromised) return false;
  const others = stored.filter((key) => key.alg === compromised.alg && key.id !== kid);
  const next = others.find((key) => key.retiredAt === undefined);
  const signs = compromised.retiredAt === undefined || compromised.retiredAt > deps.now();
  if (!next && signs) await storeNewKey(deps, compromised.alg as SigningAlg, deps.now());
  // It is published already, so it can sign at once.
  else if (next && next.activeFrom > deps.now()) await deps.keys.replace({ ...next, activeFrom: deps.now() });
  await deps.keys.remove(kid);
  return true;
}

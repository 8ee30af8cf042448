/** Keys by hand: listing, rotating and removing those that sign, and rotating the secrets. A running server follows within seconds. */
import { type Author, inAudit } from '../changes/author.ts';
import { type KeyState, keyStateOf, publishedOf } from '../keys/key-plan.ts';
import {
  listSigningKeys,
  removeSigningKey,
  rotateSigningKeys,
  type SigningKeysDeps,
} from '../keys/signing-keys.ts';
import type { AuditLog, StoredKey } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

export interface KeysDeps extends Pick<SigningKeysDeps, 'vault' | 'now'> {
  readonly storage: Pick<SigningKeysDeps, 'keys'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Seconds that a token may live. */
  readonly longestLifetime: number;
  /** Makes the keys that the directory names and that are not there yet. */
  followSigningAlgs(): Promise<boolean>;
}

/** What may be known of a signing key. Times in milliseconds. */
export interface KeyFacts {
  readonly kid: string;
  readonly alg: string;
  readonly state: KeyState;
  readonly createdAt: number;
  readonly signsFrom: number;
  /** Absent: until the next one takes its place. */
  readonly signsUntil?: number;
  /** Absent: as long as it signs. */
  readonly publishedUntil?: number;
}

export interface Rotation {
  /** The new keys sign at once; verifiers that keep the old key set refuse their tokens for a while. */
  readonly immediately?: boolean;
  /** Seconds that the new keys are published before they sign. */
  readonly lead?: number;
}

/** Every process has read new secrets before they are used: it looks for them each second. */
const SECRETS_LEAD_MS = 60_000;

/** All that are published, per algorithm the active one first. */
export async function listKeys(deps: KeysDeps): Promise<KeyFacts[]> {
  await deps.followSigningAlgs();
  return describeKeys(deps);
}

async function describeKeys({ storage, now }: KeysDeps): Promise<KeyFacts[]> {
  const stored = await listSigningKeys(storage.keys);
  return publishedOf(stored, now()).map((key) => toFacts(key, keyStateOf(stored, key, now())));
}

function toFacts(
  { id, alg = '', createdAt, activeFrom, retiredAt, expiresAt }: StoredKey,
  state: KeyState,
): KeyFacts {
  const times = { createdAt, signsFrom: activeFrom, signsUntil: retiredAt, publishedUntil: expiresAt };
  return defined({ kid: id, alg, state, ...times });
}

/** A new key for each algorithm in use. @returns all keys that are published then */
export async function rotateKeys(
  { immediately = false, lead }: Rotation,
  deps: KeysDeps,
  author: Author,
): Promise<KeyFacts[]> {
  await deps.followSigningAlgs();
  const { longestLifetime, storage } = deps;
  const how = defined({ immediately, lead });
  const made = await rotateSigningKeys({ ...deps, keys: storage.keys }, { ...how, longestLifetime });
  await record(deps, 'keys.rotated', { made: made.map(({ id }) => id), ...how }, author);
  return describeKeys(deps);
}

/**
 * A new version of each of the server's own secrets: the key that seals credentials and private keys, and those of cookies, forms,
 * passwords, client secrets and refresh tokens. What was made with the earlier ones stays good.
 * @param immediately until all processes have read them, some do not know what others make
 */
export async function rotateSecrets(
  immediately: boolean,
  deps: Pick<KeysDeps, 'vault' | 'audit' | 'now'>,
  author: Author,
): Promise<{ readonly ids: readonly string[]; readonly usedFrom: number }> {
  const leadMs = immediately ? 0 : SECRETS_LEAD_MS;
  const ids = await deps.vault.rotateSecrets(leadMs);
  // Of the one that was made last.
  const usedFrom = deps.now() + leadMs;
  await record(deps, 'keys.rotated', { made: ids, immediately }, author);
  return { ids, usedFrom };
}

/** Takes a compromised key away: what it signed is dead. @returns what is left; undefined if there is no such key */
export async function removeKey(
  kid: string,
  deps: KeysDeps,
  author: Author,
): Promise<KeyFacts[] | undefined> {
  const wasThere = await removeSigningKey({ ...deps, keys: deps.storage.keys }, kid);
  if (!wasThere) return undefined;
  await record(deps, 'keys.removed', { kid }, author);
  return describeKeys(deps);
}

async function record(
  { audit, now }: Pick<KeysDeps, 'audit' | 'now'>,
  event: string,
  details: Record<string, unknown>,
  author: Author,
): Promise<void> {
  await audit.append({ at: now(), event, outcome: 'changed', ...inAudit(author), details });
}

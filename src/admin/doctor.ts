/**
 * What an operator should know of a store and its surroundings, good and bad, each as one sentence. Nothing is
 * changed: what is written to see whether it can be goes at once.
 */
import { createPublicKey, sign, verify } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findAgentWarnings } from '../apply/agent-settings.ts';
import { generatedSecretsPath } from '../apply/generated-secrets.ts';
import { findInsecureSettings } from '../apply/insecure-settings.ts';
import { findBrokenReferences } from '../changes/references.ts';
import type { Config } from '../config/config.ts';
import type { Datasources } from '../datasources/datasources.ts';
import { gatherAlgChoices } from '../directory/alg-choices.ts';
import { collectionOf, eachNoun } from '../directory/collections.ts';
import { SIGNATURES } from '../keys/signatures.ts';
import type { SigningKey, SigningKeys } from '../keys/signing-keys.ts';
import { COLLECTIONS, type CollectionName, type Nouns, nameOf } from '../nouns/index.ts';
import { ACCESS_TOKEN_ALG, SIGNING_ALGS, type SigningAlg } from '../nouns/signing-algs.ts';
import { isEnded } from '../registry/nodes.ts';
import type { Storage } from '../storage/contract.ts';
import { findExpiringSecrets } from './expiring-secrets.ts';
import { findNeighbours } from './neighbours.ts';
import { findOddRights } from './odd-rights.ts';
import { findTableDrift } from './table-drift.ts';

export interface Finding {
  readonly state: 'ok' | 'warning' | 'wrong';
  /** A whole sentence. */
  readonly says: string;
}

const ok = (says: string): Finding => ({ state: 'ok', says });
const warning = (says: string): Finding => ({ state: 'warning', says });
const wrong = (says: string): Finding => ({ state: 'wrong', says });

const MB = 1024 * 1024;
/** Below this a busy server fills the disk within hours; below the other, a checkpoint may not fit. */
const LITTLE_SPACE = 500 * MB;
const TOO_LITTLE_SPACE = 50 * MB;
/** Milliseconds that what was written may be ahead of this machine's clock. */
const CLOCK_TOLERANCE = 60_000;
/** Sentences of one kind beyond this many are counted only. */
const MAX_SHOWN = 20;
const OTHERS_MAY_READ = 0o077;

/** Before the store is opened. */
export async function examineFolder(config: Config): Promise<Finding[]> {
  const { dataDir, storage, masterKey } = config;
  if (!existsSync(dataDir))
    return [warning(`The data folder ${dataDir} is not there yet; the first start makes it.`)];
  const file = storage.kind === 'sqlite' ? storage.path : undefined;
  const folder = file === undefined ? dataDir : dirname(file);
  return [
    await examineWriting(dataDir),
    ...(folder === dataDir ? [] : [await examineWriting(folder)]),
    await examineSpace(file !== undefined && existsSync(file) ? folder : dataDir),
    ...(masterKey.path === undefined ? [] : await examineMode(masterKey.path, 'the master key')),
    ...(file === undefined ? [] : await examineMode(file, 'the store')),
    ...examineLeftovers(config),
  ];
}

async function examineWriting(folder: string): Promise<Finding> {
  try {
    await rmdir(await mkdtemp(join(folder, '.doctor-')));
    return ok(`The folder ${folder} can be written to.`);
  } catch (error) {
    return wrong(`The folder ${folder} cannot be written to (${(error as NodeJS.ErrnoException).code}).`);
  }
}

async function examineSpace(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const says = `${Math.floor(free / MB)} MB are free on the disk of ${folder}.`;
  if (free < TOO_LITTLE_SPACE) return wrong(says);
  return free < LITTLE_SPACE ? warning(says) : ok(says);
}

async function examineMode(path: string, what: string): Promise<Finding[]> {
  if (process.platform === 'win32' || !existsSync(path)) return [];
  const { mode } = await stat(path);
  if ((mode & OTHERS_MAY_READ) === 0) return [];
  return [
    warning(`The file ${path} holds ${what}, and other users of this machine may use it: chmod 600 it.`),
  ];
}

function examineLeftovers({ dataDir, production }: Config): Finding[] {
  const secrets = generatedSecretsPath(dataDir);
  const quickstart = join(dataDir, 'quickstart.txt');
  return [
    ...(existsSync(secrets)
      ? [warning(`${secrets} holds secrets in the clear: bring them where they belong, then delete it.`)]
      : []),
    ...(production && existsSync(quickstart)
      ? [warning(`${quickstart} is there, so this store has the demo organization in it.`)]
      : []),
  ];
}

/** Of an open store: the vault has opened, so the master key is the right one. */
export async function examineStore({
  storage,
  signingKeys,
  datasources,
  now,
}: {
  storage: Storage;
  signingKeys: SigningKeys;
  datasources: Pick<Datasources, 'inspect'>;
  /** Milliseconds. */
  now: () => number;
}): Promise<Finding[]> {
  await storage.ping();
  const damage = await storage.verify();
  const { directory: store } = storage;
  return [
    ok(`The store can be written to: ${storage.description}.`),
    ...storage.warnings.map(warning),
    ...(damage.length === 0
      ? [ok('The store is whole.')]
      : damage.map((each) => wrong(`The store is damaged: ${each}.`))),
    ok('The master key opens the keys of the store.'),
    ...(await examineSigningKeys(storage, signingKeys)),
    await examineClock(storage, now()),
    ...(await examineDirectory(storage)),
    ...[...(await findInsecureSettings(store)), ...(await findAgentWarnings(store))].map((sentence) =>
      warning(`The ${sentence}.`),
    ),
    ...warnOfSome(await findExpiringSecrets(store, now())),
    ...warnOfSome(await findOddRights(store)),
    ...warnOfSome(await findTableDrift({ store, datasources })),
    ...(await findNeighbours(store, signingKeys, now())).flatMap(({ problems, isFit }) =>
      problems.length === 0 ? [ok(`${isFit}.`)] : warnOfSome(problems),
    ),
  ];
}

async function examineSigningKeys({ directory }: Storage, signingKeys: SigningKeys): Promise<Finding[]> {
  const published = signingKeys.published();
  if (published.length === 0) {
    return [ok('There are no signing keys yet: the first start of the server makes them.')];
  }
  const { named } = await gatherAlgChoices(directory);
  const algs = new Set<SigningAlg | undefined>([ACCESS_TOKEN_ALG, ...named.map(([alg]) => alg)]);
  return SIGNING_ALGS.filter((alg) => algs.has(alg)).map((alg) => {
    const own = published.filter((key) => key.alg === alg);
    const [first] = own;
    if (!first) return warning(`There is no key yet for ${alg}: a running server makes it within seconds.`);
    const probe = Buffer.from('probe');
    const { digest, options } = SIGNATURES[alg];
    const signature = sign(digest, probe, { key: first.privateKey, ...options });
    if (!isSignedBy(first, probe, signature)) {
      return wrong(`The public key of the ${alg} key ${first.kid} does not verify its signatures.`);
    }
    const next = own.find((key) => signingKeys.stateOf(key) === 'next');
    const soon = next ? `, from ${new Date(next.activeFrom).toISOString()} on ${next.kid}` : '';
    return ok(`${alg} tokens are signed with the key ${first.kid}${soon}.`);
  });
}

/** A value that is not a public key counts as a wrong key. */
function isSignedBy({ alg, publicJwk }: SigningKey, data: Buffer, signature: Buffer): boolean {
  const { digest, options } = SIGNATURES[alg];
  try {
    const key = createPublicKey({ key: publicJwk, format: 'jwk' });
    return verify(digest, data, { key, ...options }, signature);
  } catch {
    return false;
  }
}

/** Tokens live by the clock: one that was set back revives what has expired. */
async function examineClock({ audit, keys }: Storage, clock: number): Promise<Finding> {
  const { entries } = await audit.page({ limit: 1 });
  const written = [...entries.map(({ at }) => at), ...(await keys.list()).map(({ createdAt }) => createdAt)];
  const ahead = Math.max(...written) - clock;
  const says = `The clock says ${new Date(clock).toISOString()}`;
  if (ahead <= CLOCK_TOLERANCE) return ok(`${says}.`);
  return wrong(
    `${says}, but something was written ${Math.round(ahead / 1000)} s later than that: it was set back.`,
  );
}

async function examineDirectory({ directory, nodes }: Storage): Promise<Finding[]> {
  const counts: string[] = [];
  const broken: string[] = [];
  for (const collection of COLLECTIONS) {
    let count = 0;
    for await (const noun of eachNoun<Nouns[CollectionName]>(collectionOf(directory, collection))) {
      count += 1;
      const name = `Of ${collection}, ${nameOf(noun)}`;
      const sentences = await findBrokenReferences(collection, noun, directory);
      broken.push(...sentences.map((sentence) => `${name} ${sentence}`));
      const [record] = noun.enabled ? await nodes.read([noun.id]) : [];
      if (record && isEnded(record)) {
        broken.push(`${name} is enabled, but what it is given is dead: disable and enable it again`);
      }
    }
    counts.push(`${count} ${count === 1 ? collection.slice(0, -1) : collection}`);
  }
  return [ok(`The directory has ${counts.join(', ')}.`), ...warnOfSome(broken)];
}

function warnOfSome(sentences: readonly string[]): Finding[] {
  const hidden = sentences.length - MAX_SHOWN;
  return [
    ...sentences.slice(0, MAX_SHOWN).map((sentence) => warning(`${sentence}.`)),
    ...(hidden > 0 ? [warning(`There are ${hidden} more of this kind.`)] : []),
  ];
}

/** The nodes above a token, by the names that people know, and what happened to them. */
import { displayNameOf } from '../changes/applications.ts';
import { collectionOf } from '../directory/collections.ts';
import {
  type Application,
  COLLECTIONS,
  type Connection,
  declarationOf,
  isNounId,
  type Noun,
  nameOf,
} from '../nouns/index.ts';
import { isEnded, parseNode } from '../registry/nodes.ts';
import { handleKey } from '../registry/token-values.ts';
import type { LoginRow, NodeRecord, Storage, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

export interface Ancestor {
  readonly id: string;
  /** `application shop`, `login`, or the id alone where nothing is known of it. */
  readonly what: string;
  /** Who made the noun, where that was recorded. */
  readonly managedBy?: NonNullable<Noun['managedBy']>;
  /** `alive`, or what happened to it and when. */
  readonly state: string;
  /** What happened to it ended the token. */
  readonly kills: boolean;
}

type Store = Pick<Storage, 'nodes' | 'logins' | 'tokens' | 'directory'>;

/** The token itself first, then what hangs above it, in its own order. */
export async function describeAncestors(
  row: TokenRow | LoginRow,
  store: Store,
  now: number,
): Promise<Ancestor[]> {
  const ids = [row.id, ...row.ancestors];
  const records = new Map((await store.nodes.read(ids)).map((record) => [record.id, record]));
  const id = 'connection' in row ? row.connection : undefined;
  const connection = id === undefined ? undefined : await store.directory.connections.get(id);
  const itself = { what: 'current' in row ? 'this login' : 'this token' };
  return Promise.all(
    ids.map(async (id) => {
      const named = id === row.id ? itself : await nameNode(id, row, connection, store, now);
      return { id, ...named, ...describeState(records.get(id), row.asOf) };
    }),
  );
}

type Named = Pick<Ancestor, 'what' | 'managedBy'>;

/** @param connection that the presented row descends from */
async function nameNode(
  id: string,
  row: TokenRow | LoginRow,
  connection: Connection | undefined,
  { directory, logins, tokens }: Store,
  now: number,
): Promise<Named> {
  const name = parseNode(id);
  if (name) {
    const owner = (await nameSecret(name.owner, row, directory)) ?? (await nameNoun(name.owner, directory));
    return { what: name.describe(owner?.what ?? 'something that is gone') };
  }
  const secret = connection?.secrets.find((each) => each.id === id);
  if (secret) return { what: `connection token of ${toIso(secret.createdAt)}` };
  const noun = await nameNoun(id, directory);
  if (noun) return noun;
  if (isNounId(id)) return { what: 'something that is gone' };
  if (id === (row as TokenRow).login || (await logins.find(id, now))) return { what: 'login' };
  const parent = await tokens.find(handleKey('jwt', id), now);
  // Opaque tokens cannot be found by id, and ended logins are deleted.
  return { what: parent ? `token of ${parent.clientId}` : 'token or login that it came from' };
}

/** Secrets of the applications above the token. */
async function nameSecret(
  id: string,
  { ancestors }: TokenRow | LoginRow,
  { applications }: Store['directory'],
): Promise<Named | undefined> {
  for (const ancestor of ancestors.filter(isNounId)) {
    const application = await applications.get(ancestor);
    const secret = application?.secrets.find((each) => each.id === id);
    if (application && secret) {
      return { what: `the secret ${secret.name} of application ${displayNameOf(application)}` };
    }
  }
  return undefined;
}

async function nameNoun(id: string, directory: Store['directory']): Promise<Named | undefined> {
  if (!isNounId(id)) return undefined;
  const found = await Promise.all(
    COLLECTIONS.map(async (collection): Promise<Named | undefined> => {
      const noun = await collectionOf(directory, collection).get(id);
      if (!noun) return undefined;
      const name = collection === 'applications' ? displayNameOf(noun as Application) : nameOf(noun);
      const { managedBy }: Pick<Noun, 'managedBy'> = noun;
      return { what: `${declarationOf(collection).singular} ${name}`, ...defined({ managedBy }) };
    }),
  );
  return found.find((named) => named !== undefined);
}

function describeState(record: NodeRecord | undefined, asOf: number): Pick<Ancestor, 'state' | 'kills'> {
  if (!record) return { state: 'alive', kills: false };
  const { revokedAt, restoredAt, narrowedAt } = record;
  if (isEnded(record)) return { state: `ended ${toIso(revokedAt)}`, kills: true };
  if (restoredAt !== undefined && asOf <= restoredAt) {
    return { state: `alive, but what is older than ${toIso(restoredAt)} has ended`, kills: true };
  }
  if (narrowedAt !== undefined)
    return { state: `alive, its rights changed ${toIso(narrowedAt)}`, kills: false };
  return { state: 'alive', kills: false };
}

function toIso(ms: number | undefined): string {
  return ms === undefined ? 'at an unknown time' : new Date(ms).toISOString();
}

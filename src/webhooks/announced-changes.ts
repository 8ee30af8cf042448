/** Whether an announced change has happened, where the process that was to say so has ended. */
import { hash } from 'node:crypto';
import { collectionOf } from '../directory/collections.ts';
import type { CollectionName, Noun, Nouns } from '../nouns/index.ts';
import type { DirectoryStore, ExpectedChange, NodeStore } from '../storage/contract.ts';

/** The order of members means nothing, and each store has its own. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Of a noun as it would be, whatever its version. */
function digestOf({ version: _, ...noun }: Noun): string {
  return hash('sha256', JSON.stringify(noun, inOrder), 'base64url');
}

/** @param before as the store has it @param after as it is to be */
export function expectReplacement<C extends CollectionName>(
  noun: C,
  before: Nouns[C],
  after: Nouns[C],
): ExpectedChange {
  return { noun, id: before.id, what: 'changed', version: before.version, digest: digestOf(after) };
}

/**
 * A noun that was changed several times since counts as changed by this one too: an event that is sent once too often does less harm than one
 * that is missing.
 */
export async function hasHappened(
  expected: ExpectedChange,
  { store, nodes }: { readonly store: DirectoryStore; readonly nodes: Pick<NodeStore, 'read'> },
): Promise<boolean> {
  if ('node' in expected) {
    const [record] = await nodes.read([expected.node]);
    return (record?.revokedAt ?? Number.NEGATIVE_INFINITY) >= expected.revokedSince;
  }
  const noun: Noun | undefined = await collectionOf(store, expected.noun).get(expected.id);
  if (expected.what !== 'changed') return (noun !== undefined) === (expected.what === 'created');
  if (!noun || noun.version === expected.version) return false;
  return noun.version > expected.version + 1 || digestOf(noun) === expected.digest;
}

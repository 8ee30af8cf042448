/**
 * A cache of decisions whose proofs hold for later requests (client credentials, connection tokens): the same client that
 * asks for the same gets the same decision, until a change of the directory concerns its organization or the proof does
 * not hold any more. Only the decision is cached: each request gets a token of its own, with a row of its own.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { COMMON_PARAMETERS } from './asked.ts';
import type { Decision, Grant, GrantRequest } from './grant.ts';

/** Bytes that an entry, one of its tables and one alternative take, roughly. */
const ENTRY_BYTES = 3_000;
const TABLE_BYTES = 200;
const ALTERNATIVE_BYTES = 1_500;
/** Each character of a limit is kept by the value, its key, the row, the claims and the answer. */
const LIMIT_COPIES = 10;
/** Each character of a mapped claim is kept in the claims. A character takes two bytes at most. */
const MAPPED_COPIES = 2;

interface Cached {
  readonly decision: Decision;
  /** Of the directory, for the client's organization. */
  readonly revision: number;
}

/** @param decide for a request whose decision is not cached */
export type DecisionCache = (
  grant: Grant,
  request: GrantRequest,
  decide: () => Promise<Decision>,
) => Promise<Decision>;

/** @returns undefined if more than these decides about the request */
function keyOf({ name, repeats, parameters: own }: Grant, request: GrantRequest): string | undefined {
  const { client, parameters, through, asked, subject } = request;
  const { id, owner } = client.application;
  // Who registered an application is read at each request.
  if (!repeats || through || asked || subject || owner !== undefined) return undefined;
  // What is made with a secret ends with it. That it has not expired is seen when the client authenticates.
  const values: (string | undefined)[] = [id, client.secret?.id, name];
  for (const names of [COMMON_PARAMETERS, own]) {
    for (const parameter of names) {
      const value = parameters[parameter];
      if (value !== undefined && typeof value !== 'string') return undefined;
      values.push(value);
    }
  }
  const text = JSON.stringify(values);
  // Memory does not hold the tokens that are presented.
  return own.length === 0 ? text : hash('sha256', text, 'base64url');
}

/** Tables and actions with the same limits share them. */
function bytesOf({ permissions: { masks, limits }, resource }: Decision): number {
  const mapped = resource?.token.claimMap ?? [];
  let bytes = TABLE_BYTES * (masks.size + limits.size);
  const cells = new Set([...limits.values()].flat());
  for (const { key } of new Set([...cells].flat())) bytes += ALTERNATIVE_BYTES + LIMIT_COPIES * key.length;
  for (const { claim, value } of mapped) bytes += MAPPED_COPIES * (claim.length + value.length);
  return bytes;
}

/** @param maxBytes of memory at most; 0 caches nothing */
export function createDecisionCache(maxBytes: number): DecisionCache {
  if (maxBytes === 0) return (_grant, _request, decide) => decide();
  const cache = new LRUCache<string, Cached>({
    maxSize: maxBytes,
    sizeCalculation: ({ decision }, key) => ENTRY_BYTES + 2 * key.length + bytesOf(decision),
  });
  return async (grant, request, decide) => {
    const key = keyOf(grant, request);
    if (key === undefined) return decide();
    const revision = request.view.revisionOf(request.client.organization.id);
    const cached = cache.get(key);
    if (cached?.revision === revision && (await cached.decision.proof.holdsFor?.(request)))
      return cached.decision;
    const decided = await decide();
    if (!decided.proof.holdsFor) return decided;
    const decision: Decision = { ...decided, isCached: true };
    cache.set(key, { decision, revision });
    return decision;
  };
}

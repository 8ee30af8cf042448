/**
 * Decisions kept in memory, of proofs that hold for later requests (client credentials, connection tokens): the same client that asks for the same gets the same
 * decision, until a change of the directory concerns its organization or the proof does not hold any more. Only the
 * decision is kept: each request gets a token of its own, with a row of its own.
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

interface Kept {
  readonly decision: Decision;
  /** Of the directory, for the client's organization. */
  readonly revision: number;
}

/** @param decide for a request to which no decision is kept */
export type KeptDecisions = (
  grant: Grant,
  request: GrantRequest,
  decide: () => Promise<Decision>,
) => Promise<Decision>;

/** @returns undefined if more than these decides about the request */
function nameOf({ name, repeats, parameters: own }: Grant, request: GrantRequest): string | undefined {
  const { client, parameters, through, asked, subject } = request;
  const { id, owner } = client.application;
  // Who registered an application is read at each request.
  if (!repeats || through || asked || subject || owner !== undefined) return undefined;
  const values = [...COMMON_PARAMETERS, ...own].map((parameter) => parameters[parameter] ?? null);
  if (values.some((value) => value !== null && typeof value !== 'string')) return undefined;
  // What is made with a secret ends with it. That it has not expired is seen when the client authenticates.
  const text = JSON.stringify([id, client.secret?.id ?? null, name, ...values]);
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

/** @param maxBytes memory that is used at most; 0 keeps nothing */
export function createKeptDecisions(maxBytes: number): KeptDecisions {
  if (maxBytes === 0) return (_grant, _request, decide) => decide();
  const kept = new LRUCache<string, Kept>({
    maxSize: maxBytes,
    sizeCalculation: ({ decision }, name) => ENTRY_BYTES + 2 * name.length + bytesOf(decision),
  });
  return async (grant, request, decide) => {
    const name = nameOf(grant, request);
    if (name === undefined) return decide();
    const revision = request.view.revisionOf(request.client.organization.id);
    const known = kept.get(name);
    if (known?.revision === revision && (await known.decision.proof.holdsFor?.(request)))
      return known.decision;
    const decided = await decide();
    if (!decided.proof.holdsFor) return decided;
    const decision: Decision = { ...decided, isKept: true };
    kept.set(name, { decision, revision });
    return decision;
  };
}

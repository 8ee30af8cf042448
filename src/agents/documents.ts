/**
 * Metadata documents of agents: fetching them, and keeping what they say in the store, where all processes find it. A
 * stranger names the URL. So each fetch is counted, failures are remembered here in bounded memory and never in the store,
 * and what is stored expires. Whether an organization lets an agent in, and what it may do, is decided elsewhere.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { MetadataRejected, Unavailable } from '../errors/domain.ts';
import { FetchFailed, type GetJson } from '../outgoing/get-json.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { type AgentFacts, parseDocument, parseKeys } from './document.ts';

export type Documents = ReturnType<typeof createDocuments>;

export interface DocumentsDeps {
  readonly artifacts: Pick<ArtifactStore, 'find' | 'upsert'>;
  readonly getJson: GetJson;
  /** Takes one fetch. @param host absent: of an agent that is known, or was lately @throws TooManyAttempts */
  readonly limit: (address: string, host?: string) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** For the document and its keys together; shorter in tests with servers that do not answer. */
  readonly timeoutMs?: number;
}

/** Bytes of a document, and of a key set (section 8.7 of the draft). */
export const MAX_DOCUMENT = 5_120;

const TIMEOUT_MS = 3_000;

const MODEL = 'AgentDocument';

/** Seconds that a document is fresh: as its headers say within these bounds. */
const FRESH = { least: 60, most: 3_600, usual: 300 };
/** Milliseconds that a document can be found after that: a login that began with it goes on with it. */
const FOUND_LATER = 3_600_000;

const FAILURE_REMEMBERED = 60_000;
const MOST_FAILURES = 1_000;
/** At the same time, in one process. */
const MOST_FETCHES = 100;

/** What the store keeps; `freshUntil` in milliseconds. */
type Kept = { readonly facts: AgentFacts; readonly freshUntil: number };

const keyOf = (clientId: string): Buffer => hash('sha256', clientId, 'buffer');

const boundFreshness = (seconds: number = FRESH.usual): number =>
  Math.min(Math.max(seconds, FRESH.least), FRESH.most);

export function createDocuments(deps: DocumentsDeps) {
  const { artifacts, getJson, limit, now, timeoutMs = TIMEOUT_MS } = deps;
  const failures = new LRUCache<string, { error: MetadataRejected; until: number }>({ max: MOST_FAILURES });
  const fetches = new Map<string, Promise<AgentFacts>>();

  async function read(clientId: string): Promise<Kept | undefined> {
    const artifact = await artifacts.find(MODEL, keyOf(clientId), now());
    return artifact?.payload as Kept | undefined;
  }

  /** A clock that was set back does not make anything last longer. @param longest milliseconds */
  const holds = (until: number, longest: number): boolean => until > now() && until <= now() + longest;

  /** @throws MetadataRejected, FetchFailed */
  async function fetchKept(clientId: string): Promise<Kept> {
    const signal = AbortSignal.timeout(timeoutMs);
    const document = await getJson(clientId, signal);
    const facts = parseDocument(clientId, document.json);
    const keys = facts.jwksUri === undefined ? undefined : await getJson(facts.jwksUri, signal);
    const fetched = keys ? [document, keys] : [document];
    const seconds = Math.min(...fetched.map(({ freshSeconds }) => boundFreshness(freshSeconds)));
    return {
      facts: keys ? { ...facts, jwks: parseKeys(keys.json, 'The key set at jwks_uri') } : facts,
      freshUntil: now() + seconds * 1000,
    };
  }

  async function fetchAndKeep(clientId: string): Promise<AgentFacts> {
    try {
      const kept = await fetchKept(clientId);
      const expiresAt = kept.freshUntil + FOUND_LATER;
      await artifacts.upsert(MODEL, keyOf(clientId), { payload: kept, expiresAt });
      return kept.facts;
    } catch (failure) {
      const error =
        failure instanceof FetchFailed
          ? new MetadataRejected(failure.message, defined({ reason: failure.reason }))
          : failure;
      const until = now() + FAILURE_REMEMBERED;
      if (error instanceof MetadataRejected) failures.set(clientId, { error, until });
      throw error;
    } finally {
      fetches.delete(clientId);
    }
  }

  return {
    /** Never fetches. @returns undefined: its document was not fetched lately */
    find: async (clientId: string) => (await read(clientId))?.facts,

    /**
     * What its document says, fetched if what is known is not fresh.
     * @param clientId as `isClientIdUrl` demands
     * @param address of the person's browser, which the fetch is counted for
     * @param isKnown whether an organization has it as an application: then strangers who use up what its host may be asked
     *   for do not keep it out
     * @throws MetadataRejected with a sentence for the developer of the agent, TooManyAttempts, Unavailable
     */
    async resolve(clientId: string, address: string, isKnown = false): Promise<AgentFacts> {
      const kept = await read(clientId);
      if (kept && holds(kept.freshUntil, FRESH.most * 1000)) return kept.facts;
      const failure = failures.get(clientId);
      if (failure && holds(failure.until, FAILURE_REMEMBERED)) throw failure.error;
      failures.delete(clientId);
      const running = fetches.get(clientId);
      if (running) return running;
      await limit(address, kept || isKnown ? undefined : new URL(clientId).hostname);
      // Another request may have begun meanwhile.
      const begun = fetches.get(clientId);
      if (!begun && fetches.size >= MOST_FETCHES)
        throw new Unavailable(1, { reason: 'too many metadata documents are being fetched' });
      const fetched = begun ?? fetchAndKeep(clientId);
      fetches.set(clientId, fetched);
      return fetched;
    },
  };
}

/**
 * A cache of introspection answers, so that a token that is asked about again costs two small reads. An answer is
 * good while nothing that it says can have changed: the directory's revision, the marks of the nodes above the token, the
 * keys, and the clock decide. What can change without one of them is not cached: inactive answers, refresh tokens, accounts
 * of databases, and tokens whose rights shrank.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { DirectoryView } from '../directory/directory.ts';
import type { Application } from '../nouns/index.ts';
import type { NodeMarks } from '../registry/node-marks.ts';
import type { Registry } from '../registry/registry.ts';
import type { TokenRow } from '../storage/contract.ts';
import type { Living } from './presented-tokens.ts';

/** Bytes that an entry takes beside its texts, roughly. */
const ENTRY_BYTES = 600;

/** Who asks, and the directory as it was when they asked. */
interface Asker {
  readonly client: Pick<Application, 'id' | 'organization'>;
  readonly view: Pick<DirectoryView, 'revisionOf'>;
  /** What all requests of one turn share. */
  readonly turn?: { marksVersion?: Promise<number> } | undefined;
}

interface Cached {
  readonly text: string;
  readonly row: Pick<TokenRow, 'id' | 'organization' | 'ancestors' | 'asOf' | 'expiresAt'>;
  /** Of the directory, for the organizations of the token and of the client. */
  readonly revision: number;
  /** The version of the marks up to which the answer is known to hold. */
  marksVersion: number;
}

/** A question to which there is no good answer yet. */
interface Question {
  /** The version of the marks before anything was read for an answer. */
  readonly marksVersion: number;
  keep(text: string, living: Living): void;
}

export type AnswerCache = ReturnType<typeof createAnswerCache>;

export interface AnswerCacheDeps {
  readonly marks: Pick<NodeMarks, 'version'>;
  readonly registry: Pick<Registry, 'hasAllRights'>;
  /** Bytes of memory at most; 0 caches nothing. */
  readonly cacheBytes: number;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Only a hash of the token, so that a picture of the memory holds nothing usable. */
function keyOf(presented: string, { client }: Asker): string {
  return `${hash('sha256', presented, 'base64url')} ${client.id}`;
}

function revisionFor({ organization }: Cached['row'], { client, view }: Asker): number {
  return view.revisionOf(organization, client.organization);
}

/** A character of text takes two bytes at most. */
function bytesOf({ text, row }: Cached): number {
  return ENTRY_BYTES + 2 * (text.length + row.ancestors.join('').length);
}

export function createAnswerCache({ marks, registry, cacheBytes, now }: AnswerCacheDeps) {
  const create = () =>
    cacheBytes > 0
      ? new LRUCache<string, Cached>({ maxSize: cacheBytes, sizeCalculation: bytesOf })
      : undefined;
  let answers = create();
  /**
   * The time of the last look. When the clock was set back, nothing holds: a token may be from the future, and a sweep
   * may have removed it.
   */
  let latest = 0;

  function followClock(): void {
    const time = now();
    if (time < latest) answers = create();
    latest = time;
  }

  async function isGood(cached: Cached, caller: Asker, marksVersion: number): Promise<boolean> {
    const { row } = cached;
    if (cached.revision !== revisionFor(row, caller) || row.expiresAt <= latest) return false;
    if (cached.marksVersion === marksVersion) return true;
    if (!(await registry.hasAllRights(row, marksVersion))) return false;
    cached.marksVersion = marksVersion;
    return true;
  }

  return {
    /** @returns the answer as text, or the question that has to be answered */
    async find(presented: string, caller: Asker): Promise<string | Question> {
      const { turn = {} } = caller;
      turn.marksVersion ??= marks.version();
      const marksVersion = await turn.marksVersion;
      followClock();
      const key = keyOf(presented, caller);
      const cached = answers?.get(key);
      if (cached) {
        if (await isGood(cached, caller, marksVersion)) return cached.text;
        answers?.delete(key);
      }
      const cache = answers;
      return {
        marksVersion,
        keep(text, living) {
          if (living.kind !== 'access token' || living.isNarrowed || living.row.account) return;
          const { id, organization, ancestors, asOf, expiresAt } = living.row;
          const row = { id, organization, ancestors, asOf, expiresAt };
          // Into the cache of that time, whose answers were dropped if the keys changed meanwhile.
          cache?.set(key, { text, row, revision: revisionFor(row, caller), marksVersion });
        },
      };
    },
    /** Call it when the published keys changed. */
    clear() {
      answers = create();
    },
  };
}

/**
 * Initial access tokens (RFC 7591 section 3): an administrator gives one to those whose agents may register where strangers
 * may not. The store has a hash of it and counts its uses.
 */
import { type Author, inAudit } from '../changes/author.ts';
import { TokenRejected } from '../errors/domain.ts';
import { invitationsNode, standingOf } from '../registry/nodes.ts';
import type { ArtifactStore, AuditLog, Counters, NodeStore } from '../storage/contract.ts';
import { rowKey } from '../storage/row-key.ts';

export interface InitialToken {
  readonly id: string;
  /** Id. */
  readonly organization: string;
  /** How many agents may register with it. */
  readonly uses: number;
  /** Milliseconds since the epoch, like `expiresAt`. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface NewInitialToken extends Pick<InitialToken, 'id' | 'organization' | 'uses'> {
  /** Seconds that it is good for. */
  readonly lifetime: number;
  /** 32 random bytes: the same give the same token again. */
  readonly seed: Buffer;
}

export type InitialTokens = ReturnType<typeof createInitialTokens>;

export interface InitialTokensDeps {
  readonly artifacts: Pick<ArtifactStore, 'insert' | 'find'>;
  readonly counters: Pick<Counters, 'increment'>;
  readonly nodes: Pick<NodeStore, 'read'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Tells people and secret scanners what they found. */
const PREFIX = 'gia_';
/** 256 bits have 43 digits in base64url. */
const PATTERN = new RegExp(`^${PREFIX}[A-Za-z0-9_-]{43}$`);
const MODEL = 'InitialAccessToken';

const keyOf = (token: string): Buffer => rowKey(`${MODEL}\0${token}`, 22);

export function createInitialTokens({ artifacts, counters, nodes, audit, now }: InitialTokensDeps) {
  const count = ({ id, expiresAt }: InitialToken, points: number) =>
    counters.increment(`initial token ${id}`, points, Math.max(1, expiresAt - now()), now());

  return {
    /** @returns the token, which is not shown again */
    async create({ id, organization, uses, lifetime, seed }: NewInitialToken, author: Author) {
      const token = PREFIX + seed.toString('base64url');
      const at = now();
      const expiresAt = at + lifetime * 1000;
      const payload: InitialToken = { id, organization, uses, createdAt: at, expiresAt };
      // A creation that is tried again finds that it is there.
      if (await artifacts.insert(MODEL, keyOf(token), { payload: { ...payload }, expiresAt }, at)) {
        const changed = { at, event: 'agent.invited', outcome: 'changed', subject: id } as const;
        await audit.append({ ...changed, ...inAudit(author), organization, details: { uses, expiresAt } });
      }
      return { token, expiresAt };
    },

    /** @returns undefined for any value that is not good; one that was used up may still be found */
    async find(token: string): Promise<InitialToken | undefined> {
      if (!PATTERN.test(token)) return undefined;
      const found = await artifacts.find(MODEL, keyOf(token), now());
      if (!found) return undefined;
      const initial = found.payload as unknown as InitialToken;
      const marks = await nodes.read([invitationsNode(initial.organization)]);
      return standingOf(marks, initial.createdAt) === 'ended' ? undefined : initial;
    },

    /**
     * Takes one use. Of any number of parallel callers, in any number of processes, as many succeed as it has uses.
     * @throws TokenRejected
     */
    async use(initial: InitialToken): Promise<void> {
      const { points } = await count(initial, 1);
      const description = 'The initial access token is used up.';
      if (points > initial.uses) throw new TokenRejected({ description });
    },

    /** Gives the use back of a registration that was refused after all. */
    async giveBack(initial: InitialToken): Promise<void> {
      await count(initial, -1);
    },
  };
}

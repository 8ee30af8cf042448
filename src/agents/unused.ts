/**
 * Agents below which nothing lives: no token and no login. One is taken away after 30 days; one that registered and was never
 * used after a day. Each comes back by the next consent, or registers again. One that an administrator disabled stays, or it
 * would come back enabled.
 *
 * Every process looks. The version of the row decides between them, and between a removal and a person who lets the agent in
 * at that moment: `agents.ts` takes `agentUnusedSince` away then.
 */
import type { Changes } from '../changes/changes.ts';
import { isRace } from '../changes/retry-on-conflict.ts';
import type { Application } from '../nouns/index.ts';
import { livingOf } from '../registry/standings.ts';
import type { LoginRow, Page, Storage, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

const DAY_MS = 86_400_000;
const KEPT_MS = 30 * DAY_MS;
const KEPT_NEVER_USED_MS = DAY_MS;

const PAGE = 100;
/** Rows that are looked at for one that lives. Beyond that the agent counts as used: it has been, and they expire. */
const MOST_ROWS = 1_000;

const AUTHOR = { actor: 'clean-up' } as const;

export type UnusedAgents = ReturnType<typeof createUnusedAgents>;

export interface UnusedAgentsDeps {
  readonly storage: Pick<Storage, 'directory' | 'tokens' | 'logins' | 'nodes'>;
  readonly changes: Pick<Changes, 'applications'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Milliseconds. Registering sets the mark before the row is made; what is found unused later was there before. */
function keptFor({ agent, agentUnusedSince = 0, createdAt }: Application): number {
  const isNeverUsed = agent?.kind === 'registered' && agentUnusedSince <= createdAt;
  return isNeverUsed ? KEPT_NEVER_USED_MS : KEPT_MS;
}

/** Another process looks at the agent too, or a person lets it in. */
function unlessChanged(error: unknown): void {
  if (!isRace(error)) throw error;
}

export function createUnusedAgents({ storage, changes, now }: UnusedAgentsDeps) {
  const { applications } = storage.directory;
  /** Organizations that are still to be looked through in this round. */
  let waiting: string[] | undefined;
  let after: string | undefined;

  async function hasLiving(read: (after?: string) => Promise<Page<TokenRow | LoginRow>>): Promise<boolean> {
    let from: string | undefined;
    for (let looked = 0; looked < MOST_ROWS; ) {
      const { items, next } = await read(from);
      if (items.length > 0 && (await livingOf(items, storage.nodes)).length > 0) return true;
      if (next === undefined) return false;
      looked += Math.max(items.length, 1);
      from = next;
    }
    return true;
  }

  async function isUsed({ id }: Application): Promise<boolean> {
    const asked = { by: 'application', id, now: now(), limit: PAGE } as const;
    return (
      (await hasLiving((from) => storage.logins.page(defined({ ...asked, after: from })))) ||
      (await hasLiving((from) => storage.tokens.page(defined({ ...asked, after: from }))))
    );
  }

  async function lookAt(agent: Application): Promise<void> {
    if (!agent.enabled) return;
    const { agentUnusedSince, ...used } = agent;
    const at = now();
    // The mark gives and takes no right, so it is not a change that the audit log tells of.
    if (await isUsed(agent)) {
      if (agentUnusedSince !== undefined) await applications.replace(used);
    } else if (agentUnusedSince === undefined) {
      await applications.replace({ ...agent, agentUnusedSince: at });
    } else if (at - agentUnusedSince >= keptFor(agent)) {
      await changes.applications.remove(agent, AUTHOR);
    }
  }

  return {
    /**
     * Looks at the next agents, of one organization after the other.
     * @param most how many
     * @returns whether it came to the last one; the next call begins again
     */
    async look(most: number): Promise<boolean> {
      waiting ??= await applications.listedValues('agentOf');
      for (let looked = 0; looked < most; ) {
        const [organization] = waiting;
        if (organization === undefined) {
          waiting = undefined;
          return true;
        }
        const listed = { key: 'agentOf', value: organization } as const;
        const page = await applications.page({ listed, limit: most - looked, ...defined({ after }) });
        for (const agent of page.items) await lookAt(agent).catch(unlessChanged);
        looked += Math.max(page.items.length, 1);
        after = page.next;
        if (after === undefined) waiting = waiting.slice(1);
      }
      return false;
    },
  };
}

/**
 * Tokens and logins as administrators see them: whether each still holds and how many hang below one.
 */
import { livingOf } from '../registry/standings.ts';
import type { LoginRow, Storage, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

export interface LivingDeps {
  readonly storage: Pick<Storage, 'tokens' | 'logins' | 'nodes'>;
  /** Milliseconds. */
  readonly now: () => number;
}

type Row = TokenRow | LoginRow;

/** Living tokens that are counted one by one. */
export const MOST_COUNTED = 1_000;
/** Rows that are read to count them: ended ones are not counted. */
const MOST_READ = 5_000;
const PAGE = 100;

export interface CountedTokens {
  readonly living: number;
  /** There are or may be more: counting ended there. */
  readonly isMore: boolean;
}

type By = Parameters<Storage['tokens']['page']>[0]['by'];

/** Counts living tokens up to a limit. */
class Counting {
  living = 0;
  #read = 0;
  readonly #deps: LivingDeps;

  constructor(deps: LivingDeps) {
    this.#deps = deps;
  }

  get isFull(): boolean {
    return this.living >= MOST_COUNTED || this.#read >= MOST_READ;
  }

  /** @returns the rows that were read, living or not */
  async add(by: By, id: string): Promise<TokenRow[]> {
    const { storage, now } = this.#deps;
    const found: TokenRow[] = [];
    let after: string | undefined;
    do {
      const page = await storage.tokens.page(defined({ by, id, now: now(), limit: PAGE, after }));
      this.#read += Math.max(1, page.items.length);
      await this.count(page.items);
      found.push(...page.items);
      after = page.next;
    } while (after !== undefined && !this.isFull);
    return found;
  }

  async count(rows: readonly TokenRow[]): Promise<void> {
    this.living += (await livingOf(rows, this.#deps.storage.nodes)).length;
  }

  get result(): CountedTokens {
    return { living: Math.min(this.living, MOST_COUNTED), isMore: this.isFull };
  }
}

/** Of an application, a user or a connection. */
export async function countTokensOf(
  by: 'application' | 'user' | 'connection',
  ids: AsyncIterable<string> | Iterable<string>,
  deps: LivingDeps,
): Promise<CountedTokens> {
  const counting = new Counting(deps);
  for await (const id of ids) {
    await counting.add(by, id);
    if (counting.isFull) break;
  }
  return counting.result;
}

/** The token itself, if it lives, and all that were made from it; of a login all that were made from that. */
export async function countBranch(top: Row, deps: LivingDeps): Promise<CountedTokens> {
  const counting = new Counting(deps);
  if ('format' in top) await counting.count([top]);
  const waiting = [top.id];
  for (let id = waiting.shift(); id !== undefined && !counting.isFull; id = waiting.shift()) {
    waiting.push(...(await counting.add('parent', id)).map((row) => row.id));
  }
  return counting.result;
}

/** Logins of one application that are looked at: lists have many applications. */
const LOGINS_LOOKED_AT = 100;

/** The living logins of an application, and how many people they are of; counts up to 100. */
export async function countLoginsOf(
  application: string,
  { storage, now }: LivingDeps,
): Promise<{ readonly logins: number; readonly people: number; readonly isMore: boolean }> {
  const options = { by: 'application', id: application, now: now(), limit: LOGINS_LOOKED_AT } as const;
  const { items, next } = await storage.logins.page(options);
  const living = await livingOf(items, storage.nodes);
  const people = new Set(living.map(({ subject }) => subject));
  return { logins: living.length, people: people.size, isMore: next !== undefined };
}

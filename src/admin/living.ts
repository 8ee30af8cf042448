/**
 * Tokens and logins as administrators see them: whether each still holds and how many hang below one.
 */
import { type Standing, standingOf } from '../registry/nodes.ts';
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

/** One query for the marks of all nodes above them. @returns in the order of the rows */
export async function standingsOf(
  rows: readonly Row[],
  { storage }: Pick<LivingDeps, 'storage'>,
): Promise<Standing[]> {
  const ids = new Set(rows.flatMap(({ id, ancestors }) => [id, ...ancestors]));
  const records = new Map((await storage.nodes.read([...ids])).map((record) => [record.id, record]));
  return rows.map(({ id, ancestors, asOf }) =>
    standingOf(
      [id, ...ancestors].flatMap((node) => records.get(node) ?? []),
      asOf,
    ),
  );
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
    const standings = await standingsOf(rows, this.#deps);
    this.living += standings.filter((standing) => standing !== 'ended').length;
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

/** Whom a change concerns: living tokens below a noun, applications and users that use it. */
import type { Counted, TokenRow } from '../../storage/contract.ts';
import type { OperationDeps } from './deps.ts';

/** Living tokens, applications and users are counted so far. */
const COUNTED = 1_000;
const PAGE = 200;

type By = Parameters<OperationDeps['tokens']['page']>[0]['by'];

async function* eachToken(
  by: By,
  id: string,
  { tokens, now }: Pick<OperationDeps, 'tokens' | 'now'>,
): AsyncGenerator<TokenRow> {
  let after: string | undefined;
  do {
    const page = await tokens.page({
      by,
      id,
      now: now(),
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}

/** How many access tokens live below the nodes, exactly up to 1,000. */
export async function countLivingTokens(
  below: readonly (readonly [By, string])[],
  deps: Pick<OperationDeps, 'tokens' | 'now' | 'registry'>,
): Promise<{ readonly living: number; readonly isMore: boolean }> {
  let living = 0;
  for (const [by, id] of below) {
    for await (const { id: token, ancestors, asOf } of eachToken(by, id, deps)) {
      if (!(await deps.registry.isAlive([token, ...ancestors], asOf))) continue;
      if (living === COUNTED) return { living, isMore: true };
      living += 1;
    }
  }
  return { living, isMore: false };
}

/** The first names, and whether there are more. */
export async function countUsers(role: string, { store }: Pick<OperationDeps, 'store'>): Promise<Counted> {
  return store.users.count({ listed: { key: 'role', value: role } }, COUNTED);
}

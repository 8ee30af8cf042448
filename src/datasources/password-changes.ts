/**
 * A password that is changed in the operator's own table ends the tokens made before. Grantable is not told, so it
 * reads the row again when such a token is used, at most every few seconds.
 */
import { LRUCache } from 'lru-cache';
import type { Directory } from '../directory/directory.ts';
import { ProofRejected, Unavailable } from '../errors/domain.ts';
import { findUserTable } from '../rights/database-accounts.ts';
import type { AccountFacts } from '../storage/contract.ts';
import type { DatabaseLogins } from './logins.ts';

/** Milliseconds that an answer is used again. */
export const CHECKED_EVERY_MS = 10_000;
const ACCOUNTS_KEPT = 50_000;

/**
 * Tells whether the row behind a token still has the password that it had at the login. Only asked of tables that name
 * a `passwordChangedAtColumn`. While the database is away the token is good: it dies by itself, and soon.
 */
export function createIsPasswordCurrent({
  directory,
  logins,
  now,
}: {
  readonly directory: Pick<Directory, 'view'>;
  readonly logins: Pick<DatabaseLogins, 'check'>;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  const known = new LRUCache<string, { readonly answer: Promise<boolean>; readonly at: number }>({
    max: ACCOUNTS_KEPT,
  });

  async function look(subject: string, account: AccountFacts): Promise<boolean> {
    const view = await directory.view();
    const found = await findUserTable(view, account);
    if (!found) return false;
    if (found.userTable.passwordChangedAtColumn === undefined) return true;
    try {
      return (await logins.check(subject, account, found.userTable.realm, view)) !== undefined;
    } catch (error) {
      if (error instanceof Unavailable) return true;
      if (error instanceof ProofRejected) return false;
      throw error;
    }
  }

  return async (subject: string, account: AccountFacts): Promise<boolean> => {
    const key = `${subject} ${account.mark}`;
    const last = known.get(key);
    if (last && now() - last.at < CHECKED_EVERY_MS) return last.answer;
    const answer = look(subject, account);
    known.set(key, { answer, at: now() });
    answer.catch(() => known.delete(key));
    return answer;
  };
}

/**
 * The first administrator makes their own account through a link that the server prints on the operator's terminal. The
 * link is good once, for a quarter of an hour, and only while the server has no administrator.
 */
import type { Author } from '../changes/author.ts';
import { DomainError } from '../errors/domain.ts';
import type { User } from '../nouns/index.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import { rowKey } from '../storage/row-key.ts';
import type { Administrators, NewAdministrator } from './administrators.ts';
import type { OneTimeTokens } from './one-time-tokens.ts';

export const FIRST_ADMINISTRATOR_PATH = '/account/first-administrator';

export const LINK_MINUTES = 15;

const PURPOSE = 'first-administrator';
/** Several links may be under way, from several starts: what they lead to is made by one at a time. */
const CLAIM = { model: 'FirstAdministrator claim', key: rowKey('claim', 22) };
/** A process that dies while it makes the account holds the others up for so long. */
const CLAIM_SECONDS = 60;

/** The link leads nowhere, for a reason that its holder is not told. */
export class DeadLink extends DomainError {
  override readonly error = 'gone';
  override readonly status = 410;
}

export type FirstAdministrator = ReturnType<typeof createFirstAdministrator>;

function refuse(reason: string): never {
  const description =
    'This link is used up, has expired, or the server has an administrator already. ' +
    'The operator of the server makes administrators with: grantable administrator create USERNAME';
  throw new DeadLink({ description, reason });
}

export function createFirstAdministrator({
  issuer,
  administrators,
  tokens,
  artifacts,
  now,
}: {
  readonly issuer: string;
  readonly administrators: Administrators;
  readonly tokens: OneTimeTokens;
  readonly artifacts: Pick<ArtifactStore, 'insert' | 'remove'>;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  /** @throws DeadLink */
  async function requireOpen(token: string): Promise<void> {
    if (!(await tokens.find(PURPOSE, token))) refuse('the link is not good');
    if (await administrators.exist()) refuse('there is an administrator');
  }

  /** Alone of all processes. */
  async function claimed<T>(work: () => Promise<T>): Promise<T> {
    const { model, key } = CLAIM;
    const claim = { payload: {}, expiresAt: now() + CLAIM_SECONDS * 1000 };
    if (!(await artifacts.insert(model, key, claim, now()))) refuse('another link is being used');
    try {
      return await work();
    } finally {
      await artifacts.remove(model, key);
    }
  }

  return {
    /** @returns a link for the operator at the terminal; undefined where there is an administrator */
    async offer(): Promise<string | undefined> {
      if (await administrators.exist()) return undefined;
      const token = await tokens.create(PURPOSE, 'management', LINK_MINUTES * 60);
      return `${issuer}${FIRST_ADMINISTRATOR_PATH}?token=${token}`;
    },
    requireOpen,
    /**
     * Uses the link up, once all that was typed will do.
     * @throws DeadLink; and as `Administrators.prepare`, and then the link is good as before
     */
    async create(token: string, wanted: NewAdministrator, author: Author): Promise<User> {
      await requireOpen(token);
      const prepared = await administrators.prepare(wanted, author);
      return claimed(async () => {
        if (await administrators.exist()) refuse('there is an administrator');
        if (!(await tokens.redeem(PURPOSE, token))) refuse('the link is used up');
        return administrators.create(prepared, author);
      });
    },
  };
}

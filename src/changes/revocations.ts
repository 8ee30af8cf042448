/** Revokes tokens and logins, with the audit entry that names the author. */

import type { User } from '../nouns/index.ts';
import type { Registry } from '../registry/registry.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { type Author, inAudit } from './author.ts';
import type { Recorded } from './recorded.ts';

/** For the audit. */
type Whom = Pick<TokenRow, 'subject'> & Partial<Pick<TokenRow, 'organization' | 'clientId'>>;

export type Revocations = ReturnType<typeof createRevocations>;

interface RevocationsDeps {
  readonly registry: Pick<Registry, 'endToken' | 'endLogin' | 'findLogin' | 'markAboveConnections'>;
  readonly recorded: Recorded;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createRevocations({ registry, recorded, now }: RevocationsDeps) {
  async function end(
    node: string,
    event: string,
    { subject, organization, clientId }: Whom,
    author: Author,
    mark: () => Promise<unknown>,
    details?: Record<string, unknown>,
  ): Promise<void> {
    const since = now();
    await recorded(
      {
        event,
        outcome: 'changed',
        ...inAudit(author),
        subject,
        ...defined({ client: clientId, organization, details }),
      },
      () => ({ node, revokedSince: since }),
      mark,
    );
  }

  /** Ends the token and all that hangs below it. */
  async function revokeToken(token: TokenRow, author: Author): Promise<void> {
    const { id } = token;
    await end(id, 'token.revoked', token, author, () => registry.endToken(token), { id });
  }

  /** Ends the login: its refresh token and every token that came from it. */
  async function revokeLogin(login: LoginRow, author: Author): Promise<void> {
    const { id } = login;
    await end(id, 'login.revoked', login, author, () => registry.endLogin(login), { id });
  }

  /** Ends every token and login there is below the node; what is made later lives. */
  async function revokeOlder(node: string, event: string, whom: Whom, author: Author): Promise<void> {
    const { organization } = whom;
    const scope = defined({ organization });
    const markNow = (): Promise<void> => {
      const at = now();
      return registry.markAboveConnections(node, { revokedAt: at, restoredAt: at }, scope);
    };
    await end(node, event, whom, author, async () => {
      await markNow();
      // Tokens made before other processes could read the first mark have a later time than that mark.
      await markNow();
    });
  }

  return {
    revokeToken,
    revokeLogin,
    revokeOlder,
    /** Ends the login that the token belongs to, with all that came from it; where it belongs to none, the token. */
    async revokeLoginOf(token: TokenRow, author: Author): Promise<void> {
      const login = token.login === undefined ? undefined : await registry.findLogin(token.login);
      return login ? revokeLogin(login, author) : revokeToken(token, author);
    },
    /** Ends every token and login of the user; a new login is possible. */
    revokeAllOf: ({ id, organization }: User, author: Author): Promise<void> =>
      revokeOlder(id, 'user.revoked', defined({ subject: id, organization }), author),
  };
}

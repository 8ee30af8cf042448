/** Revokes tokens and logins, with the audit entry that names the author. */

import type { User } from '../nouns/index.ts';
import type { Registry } from '../registry/registry.ts';
import type { AuditLog, LoginRow, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { type Author, inAudit } from './author.ts';

/** For the audit. */
type Whom = Pick<TokenRow, 'subject'> & Partial<Pick<TokenRow, 'organization' | 'clientId'>>;

export interface Revocations {
  /** Ends the token and all that hangs below it. */
  revokeToken(token: TokenRow, author: Author): Promise<void>;
  /** Ends the login: its refresh token and every token that came from it. */
  revokeLogin(login: LoginRow, author: Author): Promise<void>;
  /** Ends the login that the token belongs to, with all that came from it; where it belongs to none, the token. */
  revokeLoginOf(token: TokenRow, author: Author): Promise<void>;
  /** Ends every token and login there is below the node; what is made later lives. */
  revokeOlder(node: string, event: string, whom: Whom, author: Author): Promise<void>;
  /** Ends every token and login of the user; a new login is possible. */
  revokeAllOf(user: User, author: Author): Promise<void>;
}

export interface RevocationsDeps {
  readonly registry: Pick<Registry, 'endToken' | 'endLogin' | 'findLogin' | 'markLasting'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createRevocations({ registry, audit, now }: RevocationsDeps): Revocations {
  async function append(
    event: string,
    { subject, organization, clientId }: Whom,
    author: Author,
    details?: Record<string, unknown>,
  ): Promise<void> {
    await audit.append({
      at: now(),
      event,
      outcome: 'changed',
      ...inAudit(author),
      subject,
      ...defined({ client: clientId, organization, details }),
    });
  }

  async function revokeToken(token: TokenRow, author: Author): Promise<void> {
    await registry.endToken(token);
    await append('token.revoked', token, author, { id: token.id });
  }

  async function revokeLogin(login: LoginRow, author: Author): Promise<void> {
    await registry.endLogin(login);
    await append('login.revoked', login, author, { id: login.id });
  }

  async function revokeOlder(node: string, event: string, whom: Whom, author: Author): Promise<void> {
    const { organization } = whom;
    const scope = defined({ organization });
    const markNow = (): Promise<void> => {
      const at = now();
      return registry.markLasting(node, { revokedAt: at, restoredAt: at }, scope);
    };
    await markNow();
    // Tokens made before other processes could read the first mark have a later time than that mark.
    await markNow();
    await append(event, whom, author);
  }

  return {
    revokeToken,
    revokeLogin,
    async revokeLoginOf(token, author) {
      const login = token.login === undefined ? undefined : await registry.findLogin(token.login);
      return login ? revokeLogin(login, author) : revokeToken(token, author);
    },
    revokeOlder,
    revokeAllOf: ({ id, organization }, author) =>
      revokeOlder(id, 'user.revoked', defined({ subject: id, organization }), author),
  };
}

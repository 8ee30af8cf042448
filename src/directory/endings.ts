/** Ending tokens and logins on somebody's word, with the audit entry that says on whose. */
import type { Registry } from '../registry/registry.ts';
import type { AuditLog, LoginRow, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { User } from '../storage/nouns.ts';
import type { Author } from './changes.ts';

/** For the audit. */
type Whom = Pick<TokenRow, 'subject'> & Partial<Pick<TokenRow, 'organization' | 'clientId'>>;

export interface Endings {
  /** Ends the token and all that hangs below it. */
  endToken(token: TokenRow, author: Author): Promise<void>;
  /** Ends the login: its refresh token and every token that came from it. */
  endLogin(login: LoginRow, author: Author): Promise<void>;
  /** Ends the login that the token belongs to, with all that came from it; where it belongs to none, the token. */
  endLoginOf(token: TokenRow, author: Author): Promise<void>;
  /** Ends every token and login there is below the node; what is made later lives. */
  endOlder(node: string, event: string, whom: Whom, author: Author): Promise<void>;
  /** Ends every token and login of the user; a new login is possible. */
  endAllOf(user: User, author: Author): Promise<void>;
}

export interface EndingsDeps {
  readonly registry: Pick<Registry, 'endToken' | 'endLogin' | 'findLogin' | 'markLasting'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createEndings({ registry, audit, now }: EndingsDeps): Endings {
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
      ...author,
      subject,
      ...defined({ client: clientId, organization, details }),
    });
  }

  async function endToken(token: TokenRow, author: Author): Promise<void> {
    await registry.endToken(token);
    await append('token.revoked', token, author, { id: token.id });
  }

  async function endLogin(login: LoginRow, author: Author): Promise<void> {
    await registry.endLogin(login);
    await append('login.revoked', login, author, { id: login.id });
  }

  async function endOlder(node: string, event: string, whom: Whom, author: Author): Promise<void> {
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
    endToken,
    endLogin,
    async endLoginOf(token, author) {
      const login = token.login === undefined ? undefined : await registry.findLogin(token.login);
      return login ? endLogin(login, author) : endToken(token, author);
    },
    endOlder,
    endAllOf: ({ id, organization }, author) =>
      endOlder(id, 'user.revoked', defined({ subject: id, organization }), author),
  };
}

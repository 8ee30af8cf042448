/** Ending what a client presents (RFC 7009): a token with what hangs below it, a login, or a connection. */

import type { Author } from '../changes/author.ts';
import type { Revocations } from '../changes/revocations.ts';
import { MalformedRequest } from '../errors/domain.ts';
import type { Application } from '../nouns/index.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import type { GrantParts } from './grants/parts.ts';

export interface RevocationDeps
  extends Pick<GrantParts, 'presentedTokens' | 'registry' | 'logins' | 'connections' | 'now'> {
  readonly revocations: Pick<Revocations, 'revokeToken' | 'revokeLogin'>;
}

/** Who asks: a client that has authenticated, and how the audit names it. */
export interface RevocationCaller {
  readonly client: Application;
  readonly author: Author;
}

/** RFC 7009 section 2.1 */
function requireOwn(application: string, client: Application): void {
  if (application === client.id) return;
  throw new MalformedRequest({ description: 'The token was issued to another client.' });
}

export type Revoke = ReturnType<typeof createRevoke>;

export function createRevoke(deps: RevocationDeps) {
  const { presentedTokens, registry, logins, connections, revocations, now } = deps;

  /** A token that allows nothing at the moment, or nothing yet, may allow something later if it is not ended. */
  function mayLive({ id, ancestors, asOf }: TokenRow | LoginRow): boolean | Promise<boolean> {
    return registry.isAhead(asOf) || registry.isAlive([id, ...ancestors], asOf);
  }

  /** @throws MalformedRequest for a token of another client; unknown ones are as good as revoked (section 2.2) */
  return async (presented: string, { client, author }: RevocationCaller): Promise<void> => {
    const token = await presentedTokens.identify(presented);
    if (token.kind === 'unknown' || token.kind === 'expired') return;
    if (token.kind === 'connection token') {
      const connection = await connections.identify(presented);
      if (!connection) return;
      requireOwn(connection.application, client);
      await connections.end(connection, author);
    } else if (token.kind === 'access token') {
      const row = await registry.findRow(token.format, token.handle);
      if (!row || !(await mayLive(row))) return;
      requireOwn(row.application, client);
      await revocations.revokeToken(row, author);
    } else {
      const login = await logins.find(token.login, now());
      if (!login || !(await mayLive(login))) return;
      requireOwn(login.application, client);
      await revocations.revokeLogin(login, author);
    }
  };
}

/** Ending what a client presents (RFC 7009): a token with what hangs below it, a login, or a connection. */
import type { Connections } from '../connections/connections.ts';
import type { Author } from '../directory/changes.ts';
import type { Endings } from '../directory/endings.ts';
import { MalformedRequest } from '../errors/domain.ts';
import type { Application } from '../storage/nouns.ts';
import type { Tokens } from './identify.ts';

export interface RevocationDeps {
  readonly tokens: Pick<Tokens, 'identify' | 'findLiving'>;
  readonly connections: Pick<Connections, 'identify' | 'end'>;
  readonly endings: Pick<Endings, 'endToken' | 'endLogin'>;
}

/** Who asks: a client that has authenticated, and how the audit names it. */
export interface RevocationCaller {
  readonly client: Application;
  readonly author: Author;
}

/** @throws MalformedRequest for a token of another client; unknown ones are as good as revoked (section 2.2) */
export type Revoke = (presented: string, caller: RevocationCaller) => Promise<void>;

/** RFC 7009 section 2.1 */
function requireOwn(application: string, client: Application): void {
  if (application === client.id) return;
  throw new MalformedRequest({ description: 'the token was issued to another client' });
}

export function createRevoke({ tokens, connections, endings }: RevocationDeps): Revoke {
  return async (presented, { client, author }) => {
    const { kind } = await tokens.identify(presented);
    if (kind === 'connection token') {
      const connection = await connections.identify(presented);
      if (!connection) return;
      requireOwn(connection.application, client);
      await connections.end(connection, author);
      return;
    }
    const living = await tokens.findLiving(presented);
    if (!living) return;
    requireOwn(living.row.application, client);
    if (living.kind === 'access token') await endings.endToken(living.row, author);
    else await endings.endLogin(living.row, author);
  };
}

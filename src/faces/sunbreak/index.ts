/**
 * Sunbreak, and FortressDB with the same API: a site connects once and trades its long token for short ones. Where a
 * request names permissions, unknown flags are ignored and a missing one is false, as in the original;
 * what is more than the long token may give is refused.
 */
import { authorOf } from '../../changes/author.ts';
import type { LivingConnection } from '../../connections/connections.ts';
import { ProofRejected } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import { issuedNode } from '../../registry/nodes.ts';
import { defined } from '../../storage/defined.ts';
import { CONNECT } from '../../tokens/grants/connect.ts';
import { TOKEN_EXCHANGE } from '../../tokens/grants/token-exchange.ts';
import { type Face, type FaceRequest, insteadOf } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { type SunbreakSettings, sunbreak } from './declaration.ts';
import { parseConnect, parseSubscription, parseVisitors } from './requests.ts';

const UNAUTHORIZED = 'the access token is missing, unknown or expired';

export function createFace({ connections, exchangeLimit, now }: FaceParts): Face {
  async function requireConnection(request: FaceRequest): Promise<LivingConnection> {
    const { bearer, client, view, address } = request;
    const living = bearer === undefined ? undefined : await connections.find(bearer, address, view);
    if (living?.application.id === client.application.id) return living;
    throw new Refusal(401, UNAUTHORIZED, { reason: 'no living connection token of this application' });
  }

  /** @returns also the author of what the site changes of it */
  async function requireSite(request: FaceRequest) {
    const { connection } = await requireConnection(request);
    return { connection, site: authorOf(request, { connection: connection.id }) };
  }

  return {
    name: sunbreak.name,
    challenge: 'Bearer',
    // Large enough for any set of tables that fits into a token.
    bodyLimit: 256 * 1024,
    fail: ({ description }) => ({ message: description }),
    grants: (own) => [
      ...own.filter((grant) => grant === 'token_exchange'),
      ...(own.includes('password') ? ['connect'] : []),
    ],
    routes: {
      async 'POST /api/database/connection'({ body }, ask) {
        const { email, password, name, domain, isNewUser } = parseConnect(body);
        const optional = defined({ is_new_user: isNewUser ? 'true' : undefined, name });
        const parameters = { username: email, password, domain, ...optional };
        const answer = await ask
          .connection({ grantType: CONNECT, parameters })
          .catch(insteadOf(ProofRejected, () => new Refusal(401, 'wrong email or password')));
        return { accessToken: answer.connection_token, name: answer.name };
      },

      async 'DELETE /api/database/connection'(request) {
        const { connection, site } = await requireSite(request);
        await connections.end(connection, site);
        return {};
      },

      async 'POST /api/auth/subscribe'(request, ask) {
        const { permissions, visitor } = parseSubscription(request.body);
        const living = await requireConnection(request);
        const { ttl, expiredAt } = request.settings as SunbreakSettings;
        const { answer } = await ask.token({
          grantType: TOKEN_EXCHANGE,
          subject: { kind: 'connection token', living },
          asked: { permissions },
          nodes: visitor === undefined ? [] : [issuedNode(living.connection.id, visitor)],
          ...defined({ token: ttl === undefined ? undefined : { ttl } }),
        });
        return {
          accessToken: answer.access_token,
          channel: living.resource.channel,
          ...(expiredAt && { expiredAt: Math.floor(now() / 1000) + answer.expires_in }),
        };
      },

      async 'POST /api/auth/version'(request) {
        const { connection, site } = await requireSite(request);
        await connections.endIssued(connection, site);
        return {};
      },

      async 'POST /api/auth/logout'(request) {
        const visitors = parseVisitors(request.body);
        const { connection, site } = await requireSite(request);
        for (const visitor of visitors) {
          await exchangeLimit(connection.id);
          await connections.endIssued(connection, site, visitor);
        }
        return {};
      },
    },
  };
}

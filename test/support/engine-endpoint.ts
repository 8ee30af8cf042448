/**
 * The engine's own token endpoint over the same grants, which no server routes: what ours is held against. It reads and
 * checks requests in its way. Clients are authenticated as everywhere, and shown to it as public ones.
 */
import { stringify } from 'node:querystring';
import { buffer } from 'node:stream/consumers';
import { CREDENTIAL_PARAMETERS } from '../../src/clients/credentials.ts';
import { requireForm } from '../../src/endpoints/requests.ts';
import { DomainError, GrantNotAllowed } from '../../src/errors/domain.ts';
import { PATHS } from '../../src/provider/paths.ts';
import type { ServerOptions } from '../../src/server.ts';
import { findStoreUnavailable } from '../../src/storage/contract.ts';

const HIDDEN_HEADERS = ['authorization', 'oauth-client-attestation', 'oauth-client-attestation-pop'];
const NOT_ALLOWED = 'requested grant type is not allowed for this client';

/** Errors whose texts are our own. */
export const OWN_TEXTS = [
  'invalid_request',
  'invalid_scope',
  'invalid_authorization_details',
  'unsupported_grant_type',
];

/** An error of the engine's, for the error boundary. */
class EngineError extends DomainError {
  override readonly error: string;
  override readonly status: number;
  constructor(failure: any) {
    super({ description: failure.error_description, reason: failure.error_detail, cause: failure });
    this.error = failure.error;
    this.status = failure.status;
  }
}

export const engineTokenEndpoint: NonNullable<ServerOptions['tokenEndpoint']> =
  (requests, engine, issuer) => async (ctx) => {
    const form = await requireForm(ctx);
    const tokenEndpoint = issuer + PATHS.token;
    const { client } = await requests.authenticate(
      { authorization: ctx.get('Authorization'), form, state: ctx.state },
      { servesPublic: true, tokenEndpoint },
    );
    const others = Object.entries(form).filter(
      ([name]) => !(CREDENTIAL_PARAMETERS as readonly string[]).includes(name),
    );
    // Clients are not authenticated by attestations, and headers that a server does not know are ignored.
    for (const name of HIDDEN_HEADERS) delete ctx.req.headers[name];
    const shown = { ...Object.fromEntries(others), client_id: client.application.clientId };
    (ctx.req as any).body = stringify(shown as any);
    // The engine would read a body without a type, and finds a form only if there is a body.
    if (ctx.req.readable) await buffer(ctx.req);
    ctx.req.headers['content-type'] = 'application/x-www-form-urlencoded';
    ctx.req.headers['content-length'] = String((ctx.req as any).body.length);
    await engine(ctx, async () => undefined);
    const failure = ctx.state.failure as any;
    if (failure === undefined) return;
    ctx.state.failure = undefined;
    // The shell sets it in its own order.
    ctx.remove('Vary');
    // RFC 6749 section 5.2 has a code of its own for this.
    if (failure.error_description === NOT_ALLOWED) {
      throw new GrantNotAllowed({ description: 'The application may not use this grant.' });
    }
    const isOurs = failure instanceof DomainError || findStoreUnavailable(failure) || !failure.error;
    throw isOurs ? failure : new EngineError(failure);
  };

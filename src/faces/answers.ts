/**
 * Runs a face's action, and turns its result or its error into an answer in the face's format. Also records in the audit
 * log what was refused: by the token service, or to the holder of a living token.
 */
import type { RequestView } from '../directory/directory.ts';
import { DomainError, TooManyAttempts } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { quote } from '../errors/texts.ts';
import { toFailure } from '../http/errors.ts';
import { Refusal } from '../http/refusal.ts';
import { defined } from '../storage/defined.ts';
import { createAsk, type RefusedAsk } from './call-token-service.ts';
import { type Face, type Incoming, type Named, Reply, type Tenant } from './face.ts';
import type { FaceParts } from './parts.ts';
import { createFaceRequest } from './requests.ts';
import type { FoundRoute } from './routes.ts';

/** At most 200 characters of a path, for the audit log. */
const told = (path: string): string => path.slice(0, 200);

export function createAnswers(face: Face, parts: FaceParts) {
  const { presentedTokens, refusals, recordRefused, now } = parts;

  const toReply = (result: unknown, status = 200): Reply =>
    result instanceof Reply ? result : new Reply(status, result);

  const factsOf = ({ path, header, startedAt }: Incoming) => ({
    path,
    hasAuthorization: header('authorization') !== '',
    duration: now() - startedAt,
  });

  function fail(incoming: Incoming, error: unknown): Reply {
    const failure = toFailure(error);
    if (!failure) throw error;
    incoming.state.reason ??= reasonOf(error);
    const { description, retryAfter } = failure;
    const status = error instanceof DomainError ? (error.plainStatus ?? error.status) : failure.status;
    const reply = toReply(face.fail({ ...factsOf(incoming), status, description, error }), status);
    const headers = {
      ...defined({
        'WWW-Authenticate': reply.status === 401 ? face.challenge : undefined,
        'Retry-After': retryAfter?.toString(),
      }),
      ...reply.headers,
    };
    return new Reply(reply.status, reply.body, headers);
  }

  /** Records a refused request with a living token; requests from strangers are logged only. */
  async function recordBearer(incoming: Incoming, { organization }: Tenant, error: unknown, status: number) {
    const { bearer, reason, address, requestId } = incoming.state;
    if (!bearer || (status !== 401 && status !== 403)) return;
    const { subject, clientId: client } = bearer;
    const entry = {
      at: now(),
      event: 'request.refused',
      outcome: 'denied',
      subject,
      client,
      organization: organization.id,
      details: { path: told(incoming.path), status, face: face.name },
      ...defined({ address, requestId, reason }),
    } as const;
    await refusals.append(entry, !(error instanceof TooManyAttempts));
  }

  return {
    /** @throws what is not foreseen */
    async run(
      incoming: Incoming,
      { action, params }: Pick<FoundRoute, 'action' | 'params'>,
      tenant: Tenant,
      { view, asOf }: RequestView,
    ): Promise<Reply> {
      const { state } = incoming;
      const refused: RefusedAsk[] = [];
      let thrown: unknown;
      let reply: Reply;
      try {
        const body = await incoming.readBody();
        const request = createFaceRequest(incoming, { face, tenant, view, params, body }, presentedTokens);
        state.readers ??= tenant.client.application.allowedOrigins;
        const context = { face: face.name, tenant, view, asOf, state, refused };
        reply = toReply(await action(request, createAsk(context, parts)));
      } catch (error) {
        thrown = error;
        reply = fail(incoming, error);
      }
      const { status } = reply;
      try {
        for (const each of refused) {
          const { address, requestId } = state;
          await recordRefused({ ...each, path: told(incoming.path), status, address, requestId });
        }
        if (thrown && refused.length === 0) await recordBearer(incoming, tenant, thrown, status);
      } catch (failure) {
        return fail(incoming, failure);
      }
      return reply;
    },

    /** For an organization without the face, or one that does not exist: clients cannot tell the two apart. */
    unknown(incoming: Incoming, named: Named): Reply {
      if (named.organization === undefined || !face.failUnknown) {
        return fail(incoming, new Refusal(404, 'there is nothing here'));
      }
      return toReply(face.failUnknown(factsOf(incoming), named));
    },

    wrongMethod(incoming: Incoming, method: string, routes: readonly FoundRoute[]): Reply {
      const methods = new Set(routes.map((route) => route.method));
      const text = `this path does not answer ${quote(method)}: use ${[...methods].join(' or ')}`;
      return fail(incoming, new Refusal(404, text));
    },
  };
}

/** Runs a face's action and turns what it gives or throws into the answer in the face's format. */
import type { RequestView } from '../directory/directory.ts';
import { DomainError, TooManyAttempts } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { quote } from '../errors/texts.ts';
import { toFailure } from '../http/errors.ts';
import { Refusal } from '../http/refusal.ts';
import { defined } from '../storage/defined.ts';
import type { Refusals } from '../storage/refusals.ts';
import { type AskDeps, createAsk, type Tenant } from './ask.ts';
import { type Face, type FaceTokens, Reply } from './face.ts';
import type { Incoming } from './incoming.ts';
import { createFaceRequest } from './requests.ts';
import type { FoundRoute } from './routes.ts';
import type { Named } from './tenants.ts';

export interface AnswerDeps extends AskDeps {
  readonly presentedTokens: FaceTokens;
  readonly refusals: Pick<Refusals, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** All of them throw what is not foreseen. */
export interface Answers {
  run(
    incoming: Incoming,
    route: Pick<FoundRoute, 'action' | 'params'>,
    tenant: Tenant,
    viewing: RequestView,
  ): Promise<Reply>;
  /** For an organization without the face, or one that does not exist: clients cannot tell the two apart. */
  unknown(incoming: Incoming, named: Named): Reply;
  wrongMethod(incoming: Incoming, method: string, routes: readonly FoundRoute[]): Reply;
}

/** Characters. */
const LONGEST_PATH_TOLD = 200;

export function createAnswers(face: Face, deps: AnswerDeps): Answers {
  const { presentedTokens, refusals, now } = deps;

  const toReply = (result: unknown, status = 200): Reply =>
    result instanceof Reply ? result : new Reply(status, result);

  const factsOf = ({ method, path, header, startedAt }: Incoming) => ({
    method,
    path,
    hasAuthorization: header('authorization') !== '',
    duration: now() - startedAt,
  });

  function fail(incoming: Incoming, error: unknown): Reply {
    const failure = toFailure(error);
    if (!failure) throw error;
    incoming.notes.reason ??= reasonOf(error);
    const { description, retryAfter } = failure;
    const status = error instanceof DomainError ? error.plainStatus : failure.status;
    const reply = toReply(face.fail({ ...factsOf(incoming), status, description, error }), status);
    if (retryAfter === undefined) return reply;
    return new Reply(reply.status, reply.body, { ...reply.headers, 'Retry-After': String(retryAfter) });
  }

  /**
   * Records a refused request with a living token; requests from strangers are logged only. What the token service
   * refused is recorded already.
   */
  async function recordRefusal(incoming: Incoming, { organization }: Tenant, error: unknown, status: number) {
    const { notes, path, address, requestId } = incoming;
    const { bearer, failure, reason } = notes;
    if (!bearer || failure !== undefined || (status !== 401 && status !== 403)) return;
    const entry = {
      at: now(),
      event: 'request.refused',
      outcome: 'denied',
      subject: bearer.subject,
      client: bearer.clientId,
      organization: organization.id,
      details: { path: path.slice(0, LONGEST_PATH_TOLD), status, face: face.name },
      address,
      requestId,
      ...defined({ reason }),
    } as const;
    await refusals.append(entry, !(error instanceof TooManyAttempts));
  }

  return {
    async run(incoming, { action, params }, tenant, { view, asOf }) {
      const { notes, path, address, requestId } = incoming;
      try {
        const body = await incoming.readBody();
        const request = createFaceRequest(incoming, { face, tenant, view, params, body, presentedTokens });
        notes.readers ??= tenant.client.application.allowedOrigins;
        const told = path.slice(0, LONGEST_PATH_TOLD);
        const ask = createAsk(
          { face: face.name, tenant, view, asOf, path: told, address, requestId, notes },
          deps,
        );
        return toReply(await action(request, ask));
      } catch (error) {
        const reply = fail(incoming, error);
        try {
          await recordRefusal(incoming, tenant, error, reply.status);
        } catch (failure) {
          return fail(incoming, failure);
        }
        return reply;
      }
    },

    unknown(incoming, named) {
      if (named.organization === undefined || !face.failUnknown) {
        return fail(incoming, new Refusal(404, 'there is nothing here'));
      }
      return toReply(face.failUnknown(factsOf(incoming), named));
    },

    wrongMethod(incoming, method, routes) {
      const methods = new Set(routes.map((route) => route.method));
      const text = `this path does not answer ${quote(method)}: use ${[...methods].join(' or ')}`;
      return fail(incoming, new Refusal(404, text));
    },
  };
}

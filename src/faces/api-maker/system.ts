/**
 * API Maker's `g.sys.system.getToken` for a program that embeds the server: the same request as at
 * `POST /api/system-api/{organization}/token`, with the same checks and limits, as a call in this process. The program is
 * never asked for tokens of its own.
 */
import { reasonOf } from '../../errors/reason.ts';
import { quote } from '../../errors/texts.ts';
import type { Answered } from '../../http/access-log.ts';
import { toFailure } from '../../http/errors.ts';
import type { RequestState } from '../../http/request-state.ts';
import { type System, SystemRequestRefused, type SystemToken, type SystemTokenRequest } from '../embedded.ts';
import type { Incoming } from '../face.ts';
import type { Mount } from '../mount.ts';
import { apiMaker } from './declaration.ts';
import { TOKEN_ROUTE } from './requests.ts';

export interface SystemDeps {
  readonly mounts: readonly Mount[];
  /** Is told of every request when it has been answered, for the log and the metrics. */
  readonly record: (answered: Answered) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Failed logins of the program count as those of this machine. */
const ADDRESS = '127.0.0.1';
const METHOD = 'POST';

interface Envelope {
  readonly data?: SystemToken;
  readonly errors?: SystemRequestRefused['errors'];
}

export function createSystem({ mounts, record, now }: SystemDeps): System {
  const mount = mounts.find(({ name }) => name === apiMaker.name);

  async function getOne(request: SystemTokenRequest, named: string): Promise<SystemToken> {
    const started = performance.now();
    // Programs in JavaScript may name none, which to a face means the default one.
    const organization = String(named).toWellFormed();
    const path = `/api/system-api/${encodeURIComponent(organization)}/token`;
    const requestId = crypto.randomUUID();
    const state: RequestState = { address: ADDRESS, peer: ADDRESS, requestId, started };
    const incoming: Incoming = {
      method: METHOD,
      path,
      query: new URLSearchParams(),
      startedAt: now(),
      isOwn: true,
      header: () => '',
      readBody: async () => request,
      state,
    };
    let status = 500;
    try {
      const reply = await mount?.call(incoming, TOKEN_ROUTE, organization);
      status = reply?.status ?? 404;
      const { data, errors } = (reply?.body ?? {}) as Envelope;
      if (status === 200 && data) return data;
      const unknown = `The organization ${quote(organization)} does not exist or has not switched on API Maker's face.`;
      throw new SystemRequestRefused(status, errors ?? [{ message: unknown }]);
    } catch (error) {
      if (error instanceof SystemRequestRefused) throw error;
      const failure = toFailure(error);
      status = failure?.status ?? 500;
      state.reason ??= reasonOf(error);
      if (!failure) state.unforeseen = error;
      const unforeseen = `The request failed. The log has the cause under the request id ${requestId}.`;
      throw new SystemRequestRefused(status, [{ message: failure?.description ?? unforeseen }], {
        cause: error,
      });
    } finally {
      record({ method: METHOD, path, status, state });
    }
  }

  const getToken = async (requests: SystemTokenRequest | SystemTokenRequest[], organization: string) =>
    Array.isArray(requests)
      ? Array.fromAsync(requests, (request) => getOne(request, organization))
      : getOne(requests, organization);

  return { getToken: getToken as System['getToken'] };
}

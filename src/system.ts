/**
 * What a program that embeds the server may ask it for without going through the network. `getToken` is the
 * counterpart of API Maker's `g.sys.system.getToken`: the same request as at
 * `POST /api/system-api/{organization}/token`, on the same path through the server, but never asked for tokens of its own.
 */
import type { DispatchFunc } from 'light-my-request';
import { markOwn } from './faces/requests.ts';

/** The request of API Maker's token API. */
export interface SystemTokenRequest {
  readonly authTokenType: 'AM' | 'AM_DB';
  readonly authTokenAM?: Readonly<Record<string, unknown>>;
  readonly authTokenAMDB?: Readonly<Record<string, unknown>>;
}

export interface SystemToken {
  readonly token: string;
  readonly refresh_token?: string;
  /** Seconds. */
  readonly expires_in: number;
}

/** The request was refused. */
export class SystemRequestRefused extends Error {
  override readonly name = 'SystemRequestRefused';
  /** As over HTTP. */
  readonly statusCode: number;
  readonly errors: readonly { readonly message: string; readonly field?: string }[];
  constructor(statusCode: number, errors: SystemRequestRefused['errors']) {
    super(errors[0]?.message ?? `refused with ${statusCode}`);
    this.statusCode = statusCode;
    this.errors = errors;
  }
}

export interface System {
  /**
   * @param organization by name @throws SystemRequestRefused
   */
  getToken(request: SystemTokenRequest, organization: string): Promise<SystemToken>;
  /** One after the other; the answers are in their order. @throws SystemRequestRefused at the first that is refused */
  getToken(requests: readonly SystemTokenRequest[], organization: string): Promise<SystemToken[]>;
}

export function createSystem({ issuer, handle }: { issuer: string; handle: DispatchFunc }): System {
  async function getOne(request: SystemTokenRequest, organization: string): Promise<SystemToken> {
    // Loaded when it is first needed: most servers need none.
    const { inject } = await import('light-my-request');
    const answer = await inject(
      (incoming, outgoing) => {
        markOwn(incoming);
        handle(incoming, outgoing);
      },
      {
        method: 'POST',
        url: `/api/system-api/${encodeURIComponent(organization)}/token`,
        headers: { host: new URL(issuer).host, 'content-type': 'application/json' },
        payload: JSON.stringify(request),
      },
    );
    const { data, errors } = answer.json<{ data?: SystemToken; errors?: SystemRequestRefused['errors'] }>();
    if (answer.statusCode !== 200 || !data) {
      throw new SystemRequestRefused(answer.statusCode, errors ?? [{ message: 'there is no such face' }]);
    }
    return data;
  }

  async function getToken(
    requests: SystemTokenRequest | readonly SystemTokenRequest[],
    organization: string,
  ): Promise<SystemToken | SystemToken[]> {
    if (!Array.isArray(requests)) return getOne(requests as SystemTokenRequest, organization);
    const tokens: SystemToken[] = [];
    for (const request of requests) tokens.push(await getOne(request, organization));
    return tokens;
  }

  return { getToken: getToken as System['getToken'] };
}

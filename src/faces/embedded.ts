/** What a program that embeds the server calls of faces in its own process. It uses no types of other packages. */

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
  constructor(statusCode: number, errors: SystemRequestRefused['errors'], options?: { cause: unknown }) {
    super(errors[0]?.message ?? `refused with ${statusCode}`, options);
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

export interface FaceCalls {
  /** API Maker's `g.sys.system`. */
  readonly system: System;
}

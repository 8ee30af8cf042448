/** Authorization codes that a face asks for, for a person who is logged in and has agreed already. */
import type { Application, User } from '../nouns/index.ts';

export interface CodeRequest {
  /** Who agreed. */
  readonly user: User;
  readonly application: Application;
  /** One that the application lists, just as it lists it; undefined: the person carries the code there. */
  readonly redirectUri: string | undefined;
  /** What was agreed to. Those that the user does not have through this application give nothing when it is redeemed. */
  readonly scopes: readonly string[];
  /** Seconds: when they logged in. */
  readonly authTime: number | undefined;
  /** Of the request, for the audit. */
  readonly address: string;
  readonly requestId: string;
}

export interface NewCode {
  readonly code: string;
  readonly verifier: string;
}

export interface Codes {
  /**
   * @throws GrantNotAllowed when the application does not use codes; MalformedRequest when the redirect URI is not one of
   *   its own; UnknownResource when it has no resource
   */
  create(request: CodeRequest): Promise<NewCode>;
  /** The redirect URI to redeem it with; undefined for a code that was not made here, or is not there any more. */
  findRedirectUri(code: string): Promise<string | undefined>;
}

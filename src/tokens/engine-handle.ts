/**
 * What codes and ID tokens need from the protocol engine, which makes the codes and signs ID tokens. Grants of machines
 * do not use it. Members are named as the engine names them, so that its own models fit.
 */
import type { ActiveApplication } from '../directory/directory.ts';
import type { User } from '../nouns/index.ts';
import type { OpenIdFacts } from '../storage/rows.ts';
import type { Consent } from './consent.ts';

type CodeText =
  | 'clientId'
  | 'grantId'
  | 'accountId'
  | 'redirectUri'
  | 'codeChallenge'
  | 'codeChallengeMethod'
  | Exclude<keyof OpenIdFacts, 'claims' | 'amr'>;

/** An authorization code as it was stored (RFC 6749 section 4.1.2, RFC 7636, OpenID Connect Core 3.1.2). */
export interface StoredCode extends Readonly<Partial<Record<CodeText, string | undefined>>> {
  readonly claims?: unknown;
  readonly amr?: string[] | undefined;
  readonly resource?: unknown;
  /** The details of the authorization request (RFC 9396). */
  readonly rar?: unknown;
  /** Seconds. */
  readonly iat?: number | undefined;
  /** Seconds. */
  readonly authTime?: number | undefined;
  readonly isExpired: boolean;
  /** Whether it was used. */
  readonly consumed?: unknown;
  /** @throws if it was used: the store decides */
  consume(): Promise<void>;
}

/** The subject of an ID token, and what it says beside their claims. */
export interface IdTokenFacts {
  /** The audience. */
  readonly client: ActiveApplication;
  readonly user: User;
  readonly openid: OpenIdFacts;
  /** Seconds. */
  readonly authTime: number | undefined;
  readonly scopes: readonly string[];
  /** The access token in the same answer (OpenID Connect Core 3.1.3.6). */
  readonly accessToken: string;
}

export interface EngineHandle {
  /** Also one that has expired or was used. */
  findCode(value: string): Promise<StoredCode | undefined>;
  findConsent(id: string): Promise<Consent | undefined>;
  /** An ID token (OpenID Connect Core section 3.1.3.3, refreshed ones 12.2). */
  issueIdToken(facts: IdTokenFacts): Promise<string>;
}

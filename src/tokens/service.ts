/**
 * The token service: issues, introspects and revokes tokens. It takes parsed values and knows no HTTP, so that every
 * caller is a translator: the OAuth endpoints, the faces, embedding programs. A file of `grants/` proves who asks;
 * `run-grant.ts` decides what they get, and `mint.ts` makes it. `registry` owns what ending a token means. It serves no
 * routes.
 *
 * This file puts its parts together.
 */
import type { ExchangeLimit } from '../connections/exchange-limit.ts';
import type { SignJwt } from '../keys/sign-jwt.ts';
import type { RefreshJwts } from '../registry/refresh-jwt.ts';
import type { Storage } from '../storage/contract.ts';
import type { Grant } from './grant.ts';
import type { ConnectDeps } from './grants/connect.ts';
import { createGrants } from './grants/index.ts';
import { createLostAnswers } from './grants/lost-answers.ts';
import type { GrantParts } from './grants/parts.ts';
import { createIntrospect, type Introspect } from './introspection.ts';
import { createIssueToken, type IssueToken } from './issue.ts';
import { createKeptAnswers, type KeptAnswersDeps } from './kept-answers.ts';
import { createKeptDecisions } from './kept-decisions.ts';
import { createMint } from './mint.ts';
import { createRevoke, type RevocationDeps, type Revoke } from './revocation.ts';
import { createFindTokenRights, type FindTokenRights } from './token-rights.ts';

export interface TokenService {
  readonly issue: IssueToken;
  readonly introspect: Introspect;
  readonly findTokenRights: FindTokenRights;
  readonly revoke: Revoke;
  /** All that are live. */
  readonly grants: readonly Grant[];
  /** Call it when the published keys changed. */
  keysChanged(): void;
}

export interface TokenServiceDeps
  extends Omit<GrantParts, 'logins' | 'audit' | 'lostAnswers' | 'limit'> {
  readonly issuer: string;
  readonly marks: KeptAnswersDeps['marks'];
  /** Bytes of memory for introspection answers, and as many for decisions, at most. */
  readonly keptBytes: number;
  readonly storage: Pick<Storage, 'logins' | 'counters' | 'audit'>;
  readonly revocations: RevocationDeps['revocations'];
  readonly exchangeLimit: ExchangeLimit;
  readonly connect: ConnectDeps;
  readonly refreshJwts: RefreshJwts;
  readonly sign: SignJwt;
  /** Seconds. */
  readonly lifetimes: GrantParts['lifetimes'] & { readonly userinfoToken: number };
}

export function createTokenService(deps: TokenServiceDeps): TokenService {
  const { storage, presentedTokens, now } = deps;
  const { audit, logins, counters } = storage;
  const grants = createGrants({
    ...deps,
    logins,
    audit,
    lostAnswers: createLostAnswers({ counters, now }),
    limit: deps.exchangeLimit,
  });
  const keptAnswers = createKeptAnswers(deps);
  return {
    grants,
    issue: createIssueToken(grants, {
      users: deps.users,
      mint: createMint({ ...deps, logins }),
      keptDecisions: createKeptDecisions(deps.keptBytes),
    }),
    introspect: createIntrospect({ ...deps, keptAnswers }),
    findTokenRights: createFindTokenRights(presentedTokens),
    revoke: createRevoke({ ...deps, logins }),
    keysChanged() {
      presentedTokens.keysChanged();
      keptAnswers.clear();
    },
  };
}

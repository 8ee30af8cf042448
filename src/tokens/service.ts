/**
 * The token service: issues, introspects and revokes tokens. It takes parsed values and knows no HTTP, so that every
 * caller is a translator: the OAuth endpoints, the faces, embedding programs. A file of `grants/` proves who asks;
 * `run-grant.ts` decides what they get, and `mint.ts` makes it. `registry` owns what ending a token means. It serves no
 * routes.
 *
 * This file puts its parts together.
 */
import type { Storage } from '../storage/contract.ts';
import { type AnswerCacheDeps, createAnswerCache } from './answer-cache.ts';
import { createDecisionCache } from './decision-cache.ts';
import { createGrants } from './grants/index.ts';
import { createLostAnswers } from './grants/lost-answers.ts';
import type { GrantParts } from './grants/parts.ts';
import { createIntrospect } from './introspection.ts';
import { createIssueToken } from './issue.ts';
import { createMint, type MintDeps } from './mint.ts';
import { createRevoke, type RevocationDeps } from './revocation.ts';
import { createFindTokenRights } from './token-rights.ts';

export type TokenService = ReturnType<typeof createTokenService>;

export interface TokenServiceDeps
  extends Omit<GrantParts, 'logins' | 'audit' | 'lostAnswers' | 'lifetimes'>,
    Pick<MintDeps, 'issuer' | 'refreshJwts' | 'sign'>,
    Pick<RevocationDeps, 'revocations'>,
    Pick<AnswerCacheDeps, 'marks'> {
  /** Bytes of memory for introspection answers, and as many for decisions, at most. */
  readonly cacheBytes: number;
  readonly storage: Pick<Storage, 'logins' | 'counters' | 'audit'>;
  readonly lifetimes: GrantParts['lifetimes'] & MintDeps['lifetimes'];
}

export function createTokenService(deps: TokenServiceDeps) {
  const { storage, presentedTokens, now } = deps;
  const { audit, logins, counters } = storage;
  const grants = createGrants({
    ...deps,
    logins,
    audit,
    lostAnswers: createLostAnswers({ counters, now }),
  });
  const answerCache = createAnswerCache(deps);
  return {
    /** All that are live. */
    grants,
    issue: createIssueToken(grants, {
      users: deps.users,
      mint: createMint({ ...deps, logins }),
      decisionCache: createDecisionCache(deps.cacheBytes),
    }),
    introspect: createIntrospect({ ...deps, answerCache }),
    findTokenRights: createFindTokenRights(presentedTokens),
    revoke: createRevoke({ ...deps, logins }),
    /** Call it when the published keys changed. */
    keysChanged(): void {
      presentedTokens.keysChanged();
      answerCache.clear();
    },
  };
}

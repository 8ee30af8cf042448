/** What DeviceHive's clients read in tokens: a claim `payload`, beside those that every token of ours has. */

import type { FaceSettings, User } from '../../nouns/index.ts';
import { DEVICE_ACCESS } from '../../permissions/device-access.ts';
import type { TokenRow } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { FaceTokens } from '../../tokens/through.ts';
import { findActionId } from './actions.ts';

/** Seconds. */
const TTL = 1800;
const REFRESH_TTL = 182 * 86_400;

const ALL = '*';
const ALL_ACTIONS = [0];
const NO_ACTION = [1];
const REFRESH = 0;
export const ACCESS = 1;

export function actionIdsOf({ devices }: TokenRow): number[] {
  const { actions = [] } = devices ?? {};
  if (actions.includes(ALL)) return ALL_ACTIONS;
  const ids = actions.flatMap((name) => findActionId(name) ?? []);
  return ids.length === 0 ? NO_ACTION : ids.sort((a, b) => a - b);
}

export function mayDo({ devices }: TokenRow, action: string): boolean {
  const { actions = [] } = devices ?? {};
  return actions.includes(ALL) || actions.includes(action);
}

/** @param token whose signature was found to be right @returns the topic of a plugin's; undefined for a user's */
export function findTopic(token: string): string | undefined {
  const [, claims = ''] = token.split('.');
  try {
    const { payload } = JSON.parse(Buffer.from(claims, 'base64url').toString());
    return typeof payload?.tpc === 'string' ? payload.tpc : undefined;
  } catch {
    // An opaque token does not have claims.
    return undefined;
  }
}

/** @param realm of the user that they are for, if it is that of administrators */
export function tokensFor(
  { ttl = TTL, refreshTtl = REFRESH_TTL }: FaceSettings,
  realm: 'management' | undefined,
  isOfPlugin = false,
): FaceTokens {
  function payloadOf(row: TokenRow, user: User | undefined, type: number, expiresAt: number) {
    const shared = { a: actionIdsOf(row), e: expiresAt, t: type };
    const { networks = [], deviceTypes = [], topics: [tpc] = [] } = row.devices ?? {};
    return isOfPlugin ? { ...shared, tpc } : { ...shared, u: user?.number, n: networks, dt: deviceTypes };
  }

  return {
    format: 'jwt',
    ttl,
    loginTtl: refreshTtl,
    keepsRefreshToken: true,
    claims: (row, user) => ({ payload: payloadOf(row, user, ACCESS, row.expiresAt) }),
    refreshClaims(row, user, { expiresAt }) {
      const exp = Math.floor(expiresAt / 1000);
      return {
        exp,
        kind: DEVICE_ACCESS,
        ...defined({ realm }),
        payload: payloadOf(row, user, REFRESH, exp * 1000),
      };
    },
  };
}

/** What a refresh token of this API says: one of a user has no topic, one of a plugin no user. */
export type RefreshFacts = NonNullable<ReturnType<typeof readRefreshClaims>>;

/** @param claims of a refresh token that this server signed @returns undefined for a token of another API */
export function readRefreshClaims(claims: Readonly<Record<string, unknown>>) {
  if (claims.kind !== DEVICE_ACCESS) return undefined;
  // As `tokensFor` wrote them.
  const { exp, realm, payload } = claims as unknown as {
    exp: number;
    realm?: 'management';
    payload: { u?: number; tpc?: string };
  };
  return { realm, user: payload.u, topic: payload.tpc, expiresAt: exp * 1000 };
}

/** The claims of a person (OpenID Connect Core section 5.1), by the scopes that ask for them. */

import { userSubject } from '../directory/subjects.ts';
import type { User } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';

/** Claims by scope; metadata and consent speak of the same. */
export const CLAIMS_BY_SCOPE = {
  // Only ID tokens say when and how the person logged in.
  openid: ['sub', 'auth_time', 'amr'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
} as const;

/** Every claim that Grantable has; the scopes decide which of them a client gets. */
export function userClaims(user: User): { sub: string } & Record<string, unknown> {
  return defined({
    sub: userSubject(user),
    name: user.displayName ?? user.username,
    preferred_username: user.username,
    updated_at: Math.floor((user.passwordChangedAt ?? user.createdAt) / 1000),
    email: user.email,
    email_verified: user.email === undefined ? undefined : user.emailVerified,
  });
}

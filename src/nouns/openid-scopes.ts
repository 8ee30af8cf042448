/** Scopes of OpenID Connect (Core sections 5.4 and 11): they belong to logins in the browser, not to a resource. */

/** The ones that applications may ask for. */
export const OPENID_SCOPES = ['openid', 'profile', 'email', 'offline_access'] as const;

/** The ones that a resource cannot declare: `phone` and `address` have a meaning too, though Grantable does not give them. */
export const RESERVED_SCOPES: ReadonlySet<string> = new Set([...OPENID_SCOPES, 'phone', 'address']);

export const isOpenIdScope = (scope: string): boolean => (OPENID_SCOPES as readonly string[]).includes(scope);

/** A verified token as the SDK of MCP passes it to tools, and as they get it back. */
import type { AuthInfo, ServerContext } from '@modelcontextprotocol/server';
import { toTableScopes } from '../permissions/table-scopes.ts';
import { metadataUrl } from './access.ts';
import type { TokenAccess } from './token-access.ts';
import type { VerifiedToken } from './verified-token.ts';

/** Who called. */
export interface Caller {
  readonly token: VerifiedToken;
  /** Of the token: `access.limits(table, action)` says which rows and columns are allowed. */
  readonly access: TokenAccess;
}

/** Where the verified token is in `AuthInfo.extra`. */
const KEY = 'verifiedToken';

export function toAuthInfo(text: string, token: VerifiedToken, resource: string): AuthInfo {
  const { clientId, scopes, permissions, expiresAt } = token;
  const url = URL.parse(resource);
  const metadata = metadataUrl(resource);
  return {
    token: text,
    clientId,
    scopes: [...new Set([...scopes, ...toTableScopes(permissions)])],
    expiresAt,
    ...(url && { resource: url }),
    ...(metadata && { resourceMetadataUrl: metadata.href }),
    extra: { [KEY]: token },
  };
}

/** @returns undefined where nothing verified a token, as over stdio */
export function findToken(authInfo: AuthInfo | undefined): VerifiedToken | undefined {
  return authInfo?.extra?.[KEY] as VerifiedToken | undefined;
}

/** @throws Error without a verified token */
export function tokenOf(authInfo: AuthInfo | undefined): VerifiedToken {
  const token = findToken(authInfo);
  if (token) return token;
  throw new Error(
    'The request has no verified token. Serve it through the protection, and pass authInfo on.',
  );
}

/**
 * For the callbacks of resources and prompts.
 * @throws Error without a verified token
 */
export function callerOf({ http }: Pick<ServerContext, 'http'>): Caller {
  const token = tokenOf(http?.authInfo);
  return { token, access: token.access };
}

/** Authorization server metadata (RFC 8414): what the engine says, cut down to what is live. */
import type { Middleware } from 'koa';
import type { Directory } from '../directory/directory.ts';
import { ACT_FOR_USER } from '../grants/act-for-user.ts';
import { CONNECT } from '../grants/connect.ts';
import { DATABASE_USER } from '../grants/database-user.ts';
import { DERIVED_LOGIN } from '../grants/derived-login.ts';

export const METADATA_PATHS = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
] as const;

/** Grants that are advertised only while an application may use them, and what applications call them. */
const ONLY_WHILE_USED: Readonly<Record<string, string>> = {
  password: 'password',
  [DATABASE_USER]: 'database_user',
};
/** Those that the engine has and nobody uses, and those that only faces use. */
const NEVER = ['implicit', CONNECT, DERIVED_LOGIN, ACT_FOR_USER];

export function createMetadata({ directory }: { directory: Directory }): Middleware {
  return async function metadata(ctx, next) {
    await next();
    const body = ctx.body as { grant_types_supported?: string[] } | undefined;
    if (ctx.status !== 200 || !body?.grant_types_supported) return;
    const used = await (await directory.view()).grantsInUse();
    const isLive = (grant: string): boolean => {
      const name = ONLY_WHILE_USED[grant];
      return !NEVER.includes(grant) && (name === undefined || used.has(name));
    };
    ctx.body = {
      ...body,
      grant_types_supported: body.grant_types_supported.filter(isLive),
    };
  };
}

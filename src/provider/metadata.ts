/** Authorization server metadata (RFC 8414): what the engine says, cut down to what is live. */
import type { Middleware } from 'koa';
import type { Directory } from '../directory/directory.ts';
import { CONNECT } from '../grants/connect.ts';

export const METADATA_PATHS = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
] as const;

/** Grants that are advertised only while an application may use them. */
const ONLY_WHILE_USED = ['password'];
/** Those that the engine has and nobody uses, and those that only faces use. */
const NEVER = ['implicit', CONNECT];

export function createMetadata({ directory }: { directory: Directory }): Middleware {
  return async function metadata(ctx, next) {
    await next();
    const body = ctx.body as { grant_types_supported?: string[] } | undefined;
    if (ctx.status !== 200 || !body?.grant_types_supported) return;
    const used = await (await directory.view()).grantsInUse();
    ctx.body = {
      ...body,
      grant_types_supported: body.grant_types_supported.filter(
        (grant) => !NEVER.includes(grant) && (!ONLY_WHILE_USED.includes(grant) || used.has(grant)),
      ),
    };
  };
}

/** Authorization server metadata (RFC 8414): what the engine says, cut down to what is live. */
import type { Middleware } from 'koa';
import type { AlgChoices } from '../directory/alg-choices.ts';
import type { Directory } from '../directory/directory.ts';
import { ACT_FOR_USER } from '../grants/act-for-user.ts';
import { CONNECT } from '../grants/connect.ts';
import { DATABASE_USER } from '../grants/database-user.ts';
import { DERIVED_LOGIN } from '../grants/derived-login.ts';
import { ID_TOKEN_ALG, SIGNING_ALGS, type SigningAlg } from '../storage/signing-algs.ts';
import type { SigningKeys } from './signing-keys.ts';

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

/** What ID tokens are signed with now, and what applications have been told that they will be. */
function idTokenAlgsOf({ idToken }: AlgChoices, signingKeys: SigningKeys): SigningAlg[] {
  const algs = new Set(
    idToken.flatMap((choice) => [signingKeys.active(...choice).alg, ...choice.slice(0, 1)]),
  );
  return algs.size > 0 ? SIGNING_ALGS.filter((alg) => algs.has(alg)) : [ID_TOKEN_ALG];
}

export function createMetadata({
  directory,
  signingKeys,
}: {
  directory: Directory;
  signingKeys: SigningKeys;
}): Middleware {
  return async function metadata(ctx, next) {
    await next();
    const body = ctx.body as { grant_types_supported?: string[] } | undefined;
    if (ctx.status !== 200 || !body?.grant_types_supported) return;
    const view = await directory.view();
    const used = await view.grantsInUse();
    const isLive = (grant: string): boolean => {
      const name = ONLY_WHILE_USED[grant];
      return !NEVER.includes(grant) && (name === undefined || used.has(name));
    };
    ctx.body = {
      ...body,
      grant_types_supported: body.grant_types_supported.filter(isLive),
      id_token_signing_alg_values_supported: idTokenAlgsOf(await view.algChoices(), signingKeys),
    };
  };
}

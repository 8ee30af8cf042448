/** Policy decision point metadata (AuthZEN Authorization API 1.0). Searches are not offered, so they are left out. */
import type { Middleware } from 'koa';
import { PATHS } from './paths.ts';

export function createAuthzenMetadata({ issuer }: { readonly issuer: string }): Middleware {
  const metadata = {
    policy_decision_point: issuer,
    access_evaluation_endpoint: issuer + PATHS.access_evaluation,
    access_evaluations_endpoint: issuer + PATHS.access_evaluations,
  };
  return async function authzenMetadata(ctx) {
    ctx.body = metadata;
  };
}

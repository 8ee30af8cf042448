/** The introspection endpoint (RFC 7662) and the revocation endpoint (RFC 7009). */
import type { Context } from 'koa';
import { type Form, refuseRepeated, requireText } from '../clients/form.ts';
import type { Introspect } from '../tokens/introspection.ts';
import type { Revoke } from '../tokens/revocation.ts';
import { type Requests, requireForm } from './requests.ts';

const PARAMETERS = ['token', 'token_type_hint'];

/** Tokens can be told apart, so the hint is not needed. */
function requireToken(form: Form): string {
  refuseRepeated(form, PARAMETERS);
  return requireText(form, 'token');
}

export function createIntrospectionEndpoint(requests: Requests, introspect: Introspect) {
  return async (ctx: Context): Promise<void> => {
    const form = await requireForm(ctx);
    const { client, view } = await requests.authenticate(ctx, form, { servesPublic: false });
    const answer = await introspect(requireToken(form), { client: client.application, view });
    ctx.set('Cache-Control', 'no-store');
    ctx.type = 'json';
    ctx.body = answer;
  };
}

export function createRevocationEndpoint(requests: Requests, revoke: Revoke) {
  return async (ctx: Context): Promise<void> => {
    const form = await requireForm(ctx);
    const { client, address, requestId } = await requests.authenticate(ctx, form, { servesPublic: true });
    const { application } = client;
    await revoke(requireToken(form), {
      client: application,
      author: { actor: `client:${application.id}`, address, requestId },
    });
    // An empty text would make clients throw that read JSON only.
    ctx.body = {};
  };
}

/** The token endpoint (RFC 6749 section 3.2). */
import type { Context } from 'koa';
import { refuseRepeated, requireText } from '../clients/form.ts';
import { PATHS } from '../provider/paths.ts';
import type { TokenService } from '../tokens/service.ts';
import { type Requests, requireForm } from './requests.ts';

export interface TokenEndpointDeps {
  readonly issuer: string;
  readonly requests: Requests;
  readonly tokenService: Pick<TokenService, 'issue'>;
}

export function createTokenEndpoint({ issuer, requests, tokenService }: TokenEndpointDeps) {
  const authentication = { servesPublic: true, tokenEndpoint: issuer + PATHS.token };
  return async (ctx: Context): Promise<void> => {
    const form = await requireForm(ctx);
    const request = await requests.authenticate(ctx, form, authentication);
    refuseRepeated(form, ['grant_type']);
    const issued = await tokenService.issue({
      ...request,
      grantType: requireText(form, 'grant_type'),
      parameters: form,
      remark(note) {
        ctx.state.note = note;
      },
    });
    ctx.state.issuedGrant = issued.grant;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = issued.answer;
  };
}

/** The token endpoint (RFC 6749 section 3.2). */
import { refuseRepeated, requireText } from '../clients/form.ts';
import type { Endpoint } from '../http/direct.ts';
import { PATHS } from '../provider/paths.ts';
import type { TokenService } from '../tokens/service.ts';
import type { Requests } from './requests.ts';

export interface TokenEndpointDeps {
  readonly issuer: string;
  readonly requests: Requests;
  readonly tokenService: Pick<TokenService, 'issue'>;
}

export function createTokenEndpoint({ issuer, requests, tokenService }: TokenEndpointDeps): Endpoint {
  const authentication = { servesPublic: true, tokenEndpoint: issuer + PATHS.token };
  return async (request) => {
    const { form, state } = request;
    const caller = await requests.authenticate(request, authentication);
    refuseRepeated(form, ['grant_type']);
    const issued = await tokenService.issue({
      ...caller,
      grantType: requireText(form, 'grant_type'),
      parameters: form,
      remark(note) {
        state.note = note;
      },
    });
    state.issuedGrant = issued.grant;
    return issued.answer;
  };
}

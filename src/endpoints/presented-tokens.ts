/** The introspection endpoint (RFC 7662) and the revocation endpoint (RFC 7009). */
import { type Form, refuseRepeated, requireText } from '../clients/form.ts';
import type { Endpoint } from '../http/direct.ts';
import type { Introspect } from '../tokens/introspection.ts';
import type { Revoke } from '../tokens/revocation.ts';
import type { Requests } from './requests.ts';

const PARAMETERS = ['token', 'token_type_hint'];

/** Tokens can be told apart, so the hint is not needed. */
function requireToken(form: Form): string {
  refuseRepeated(form, PARAMETERS);
  return requireText(form, 'token');
}

export function createIntrospectionEndpoint(requests: Requests, introspect: Introspect): Endpoint {
  return async (asked) => {
    const { client, view } = await requests.authenticate(asked, { servesPublic: false });
    const { turn } = asked.state;
    return introspect(requireToken(asked.form), { client: client.application, view, turn });
  };
}

export function createRevocationEndpoint(requests: Requests, revoke: Revoke): Endpoint {
  return async (asked) => {
    const { client, address, requestId } = await requests.authenticate(asked, { servesPublic: true });
    const { application } = client;
    await revoke(requireToken(asked.form), {
      client: application,
      author: { actor: `client:${application.id}`, address, requestId },
    });
    // An empty text would make clients throw that read JSON only.
    return {};
  };
}

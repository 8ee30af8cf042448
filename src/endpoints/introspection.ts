/** The introspection endpoint (RFC 7662). */
import type { Endpoint } from '../http/direct.ts';
import type { Introspect } from '../tokens/introspection.ts';
import { type Requests, requireToken } from './requests.ts';

export function createIntrospectionEndpoint(requests: Requests, introspect: Introspect): Endpoint {
  return async (request) => {
    const { client, view } = await requests.authenticate(request, { servesPublic: false });
    const { form, state } = request;
    return introspect(requireToken(form), {
      client: client.application,
      view,
      turn: state.turn,
      remark(note) {
        state.note = note;
      },
    });
  };
}

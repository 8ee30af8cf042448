/** The revocation endpoint (RFC 7009). */
import { authorOf } from '../changes/author.ts';
import type { Endpoint } from '../http/direct.ts';
import type { Revoke } from '../tokens/revocation.ts';
import { type Requests, requireToken } from './requests.ts';

export function createRevocationEndpoint(requests: Requests, revoke: Revoke): Endpoint {
  return async (request) => {
    const { client, address, requestId } = await requests.authenticate(request, { servesPublic: true });
    const { application } = client;
    await revoke(requireToken(request.form), {
      client: application,
      author: authorOf({ address, requestId }, { client: application.id }),
    });
    // An empty text would make clients throw that read JSON only.
    return {};
  };
}

/** Every server that takes a `Request` and gives a `Response`. */
import {
  type AccessAnswer,
  createGate,
  type ProtectionOptions,
  type TokenRequest,
  type TokenUnder,
} from './access.ts';
import type { Rule } from './rules.ts';
import type { Verifier } from './verifier.ts';

export interface FetchProtection {
  /**
   * The handler, private unless one of its rules is `access.public()`. It gets the token as its second argument, before
   * whatever else the server passes on. What it throws of `demand` is answered.
   */
  protect<const Rules extends readonly Rule[], Rest extends readonly unknown[] = []>(
    handler: (request: Request, token: TokenUnder<Rules>, ...rest: Rest) => Response | PromiseLike<Response>,
    ...rules: Rules
  ): (request: Request, ...rest: Rest) => Promise<Response>;
  /** @returns the metadata of the resource (RFC 9728), undefined for other requests */
  metadata(request: Request): Response | undefined;
}

export function createProtection(verifier: Verifier, options: ProtectionOptions = {}): FetchProtection {
  const gate = createGate(verifier, options);
  return {
    protect:
      (handler, ...rules) =>
      async (request, ...rest) => {
        try {
          const token = await gate.authorize(rules, tokenRequestOf(request), request);
          return await handler(request, token as TokenUnder<typeof rules>, ...rest);
        } catch (error) {
          const refusal = gate.refusal(error, request);
          if (!refusal) throw error;
          return toResponse(refusal, request);
        }
      },
    metadata(request) {
      const answer = gate.metadata({ method: request.method, path: new URL(request.url).pathname });
      return answer && toResponse(answer, request);
    },
  };
}

export function tokenRequestOf({ headers, url }: Request): TokenRequest {
  return { authorization: headers.get('authorization') ?? undefined, url };
}

export function toResponse({ status, headers, body }: AccessAnswer, { method }: Request): Response {
  return new Response(method === 'HEAD' ? null : JSON.stringify(body), { status, headers });
}

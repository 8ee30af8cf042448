/** Fastify: a plugin that guards every route of the instance that it is registered on, and of all instances below. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type AccessAnswer, createGate, type ProtectionOptions } from './access.ts';
import { pathOf, tokenRequestOf } from './node-request.ts';
import { Rule } from './rules.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route demands; a route without rules is private. */
    access?: Rule | readonly Rule[];
  }
  interface FastifyRequest {
    /** Undefined where a public route was called without a token. */
    token: VerifiedToken | undefined;
  }
}

export interface FastifyProtection {
  /**
   * Guards routes that were registered before and later, routes of other plugins, and paths without a route. A route says its
   * rules in `config.access`. The token is in `request.token`. Serves the metadata of the resource (RFC 9728) too.
   */
  readonly plugin: FastifyPluginAsync;
  /** Answers what handlers throw of `demand`, for `setErrorHandler`. Other errors go to the error handler above. */
  onError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply;
}

export function createProtection(verifier: Verifier, options: ProtectionOptions = {}): FastifyProtection {
  const gate = createGate(verifier, options);

  const onError: FastifyProtection['onError'] = (error, request, reply) => {
    const refusal = gate.refusal(error, request);
    if (!refusal) throw error;
    return send(reply, refusal);
  };

  const plugin: FastifyPluginAsync = async (app) => {
    app.decorateRequest('token', undefined);
    app.addHook('onRoute', ({ config }) => {
      rulesOf(config);
    });
    // The first hook of a request, before its body is read. It also runs where no route was found.
    app.addHook('onRequest', async (request, reply) => {
      const answer = gate.metadata({ method: request.method, path: pathOf(request.url) });
      if (answer) return send(reply, answer);
      try {
        request.token = await gate.authorize(
          rulesOf(request.routeOptions.config),
          tokenRequestOf(request.raw),
          request,
        );
      } catch (error) {
        return onError(error, request, reply);
      }
    });
  };

  return { plugin: ofTheWholeInstance(plugin), onError };
}

/** Fastify gives a plugin an instance of its own, whose hooks do not reach its neighbours, unless the plugin says this. */
function ofTheWholeInstance(plugin: FastifyPluginAsync): FastifyPluginAsync {
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'grantable',
    [Symbol.for('plugin-meta')]: { name: 'grantable', fastify: '5.x' },
  });
}

/** @throws TypeError for other values, so that a misspelled rule ends the start instead of being ignored */
function rulesOf(config: { readonly access?: unknown } = {}): Rule[] {
  const rules = [config.access ?? []].flat();
  if (rules.every((rule) => rule instanceof Rule)) return rules;
  throw new TypeError('config.access of a route takes rules only, such as access.require("orders", "read").');
}

/** As text, so that a schema for the answers of the route does not change it. */
function send(reply: FastifyReply, { status, headers, body }: AccessAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(JSON.stringify(body));
}

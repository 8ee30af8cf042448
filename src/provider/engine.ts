/**
 * The protocol engine (`oidc-provider`): our configuration for it, our grants in its token chain, our answers at
 * introspection and revocation. It leaves rights to `directory` and `grants`, pages to `interaction`. Routes:
 * `/oauth/*`, `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server`.
 *
 * This file: building an engine and swapping it for a new one when the published keys change, because an engine's key
 * set is fixed when it is made.
 */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { SecretKeys } from '../directory/client-secrets.ts';
import type { Directory } from '../directory/directory.ts';
import { DomainError } from '../errors/domain.ts';
import type { Grant, TokenRequest } from '../grants/contract.ts';
import { type GrantDeps, runGrant } from '../grants/grant.ts';
import { COMMON_PARAMETERS } from '../grants/request.ts';
import type { SigningKeys } from '../keys/signing-keys.ts';
import { type SecretLimits, takeOverClients } from './clients.ts';
import { type EngineDeps as ConfigurationDeps, createConfiguration } from './configuration.ts';
import { toEngineError } from './engine-errors.ts';
import { createEngineHandle } from './engine-handle.ts';
import { LocalSigningKey, type SigningMode } from './external-key.ts';
import { takeEarlierHints } from './id-token-hints.ts';

export interface EngineDeps {
  /** Asked at each build: cookie keys rotate too. */
  readonly configuration: () => ConfigurationDeps;
  readonly grants: readonly Grant[];
  readonly grantDeps: GrantDeps;
  readonly signingKeys: SigningKeys;
  readonly signingMode: SigningMode;
  readonly directory: Directory;
  readonly clientSecrets: SecretKeys;
  readonly secretLimits: SecretLimits;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface Engine {
  /** The current engine, for the pages that finish interactions. */
  provider(): Provider;
  readonly middleware: Middleware;
  /** Builds an engine on the keys that are published now; requests under way finish on the old one. */
  rebuild(): void;
}

const FAILURE_EVENTS = [
  'grant.error',
  'introspection.error',
  'revocation.error',
  'userinfo.error',
  'authorization.error',
  'end_session.error',
  'server_error',
] as const;

/** The exact error travels beside the answer, where only our own middleware looks. */
function keepFailures(provider: Provider): void {
  for (const event of FAILURE_EVENTS) {
    provider.on(event as 'server_error', (ctx: KoaContextWithOIDC, error: Error) => {
      ctx.state.failure ??= error.cause instanceof DomainError ? error.cause : error;
    });
  }
}

/** The parameters that the engine has read and checked, and the client that it has authenticated. */
async function toTokenRequest(ctx: KoaContextWithOIDC, directory: Directory): Promise<TokenRequest> {
  const { client, params, body } = ctx.oidc;
  const { address, requestId } = ctx.state;
  // The engine drops an empty array, which asks for no table; without it the request would ask for every table.
  const details = body?.authorization_details;
  return {
    ...(await directory.viewFor(ctx.req)),
    clientId: client?.clientId ?? '',
    parameters: { ...params, ...(details !== undefined && { authorization_details: details }) },
    address: address ?? ctx.ip,
    requestId,
    engine: createEngineHandle(ctx),
    remark(note) {
      ctx.state.note = note;
    },
  };
}

function registerGrants(provider: Provider, { grants, grantDeps, directory }: EngineDeps): void {
  for (const grant of grants) {
    const token = async (ctx: KoaContextWithOIDC): Promise<void> => {
      try {
        ctx.body = await runGrant(grant, await toTokenRequest(ctx, directory), grantDeps);
        ctx.state.issuedGrant = grant.name;
      } catch (error) {
        ctx.state.failure = error;
        throw toEngineError(error);
      }
    };
    const parameters = [...COMMON_PARAMETERS, ...grant.parameters];
    // Several resources have their own error (RFC 8707 section 2.2), which the engine does not send.
    const repeatable = [...(grant.repeatable ?? []), 'resource'];
    provider.registerGrantType(grant.type, token as never, parameters, repeatable);
  }
}

function build(deps: EngineDeps): { provider: Provider; middleware: Middleware } {
  const keys = deps.signingKeys
    .published()
    .map(({ kid, alg, privateKey }) => new LocalSigningKey({ kid, alg, privateKey }, deps.signingMode));
  const configuration = deps.configuration();
  const provider = new Provider(configuration.issuer, createConfiguration(configuration, { keys }));
  registerGrants(provider, deps);
  takeOverClients(provider, {
    directory: deps.directory,
    clientSecrets: deps.clientSecrets,
    limits: deps.secretLimits,
    now: deps.now,
  });
  takeEarlierHints(provider);
  keepFailures(provider);
  return { provider, middleware: compose(provider.middleware as never) as unknown as Middleware };
}

export function createEngine(deps: EngineDeps): Engine {
  let current = build(deps);
  return {
    provider: () => current.provider,
    middleware: function engine(ctx, next) {
      return current.middleware(ctx, next);
    },
    rebuild() {
      current = build(deps);
    },
  };
}

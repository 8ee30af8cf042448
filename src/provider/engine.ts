/**
 * Builds an engine, and swaps it for a new one when the published keys change, because an engine's key set is fixed when
 * it is made.
 */
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { AuthenticatedClient } from '../clients/authentication.ts';
import { DomainError } from '../errors/domain.ts';
import { COMMON_PARAMETERS } from '../tokens/asked.ts';
import { rememberClients, resourceOf } from './clients.ts';
import { type ConfigurationDeps, createConfiguration } from './configuration.ts';
import type { ProviderDeps } from './deps.ts';
import { LocalSigningKey } from './external-key.ts';
import { insideEngine } from './failures.ts';
import { acceptEarlierHints } from './id-token-hints.ts';

export interface EngineDeps
  extends Pick<ProviderDeps, 'service' | 'signingKeys' | 'signingMode' | 'directory' | 'agents'> {
  /** Asked at each build: cookie keys rotate too. */
  readonly configuration: () => ConfigurationDeps;
}

export type Engine = ReturnType<typeof createEngine>;

const FAILURE_EVENTS = [
  'grant.error',
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

/**
 * The engine needs to know the grants for its metadata and its clients. Its own token endpoint is not routed; it answers
 * as ours does, so that each can be held to the other.
 */
function registerGrants(provider: Provider, { service, directory }: EngineDeps): void {
  for (const grant of service.grants) {
    const token = async (ctx: KoaContextWithOIDC): Promise<void> => {
      const { address, requestId } = ctx.state;
      // `clients.ts` finds no client for the engine before this one is there.
      const client = ctx.state.client as AuthenticatedClient;
      const request = { grantType: grant.type, client, address, requestId, parameters: ctx.oidc.body ?? {} };
      const viewing = await directory.viewFor(ctx.state);
      const remark = (note: string): void => {
        ctx.state.note = note;
      };
      const issued = await insideEngine(ctx, () => service.issue({ ...request, ...viewing, remark }));
      ctx.state.issuedGrant = issued.grant;
      ctx.body = issued.answer;
    };
    const parameters = [...COMMON_PARAMETERS, ...grant.parameters];
    // Several resources have their own error (RFC 8707 section 2.2), which the engine does not send.
    const repeatable = [...(grant.repeatable ?? []), 'resource'];
    provider.registerGrantType(grant.type, token as never, parameters, repeatable);
  }
}

function createFindActive({ directory, agents }: EngineDeps) {
  return async (clientId: string) => {
    const { ctx } = Provider;
    if (!ctx) return (await directory.view()).findApplication(clientId);
    const { view } = await directory.viewFor(ctx.state);
    return agents.find(view, { clientId, resource: resourceOf(ctx) });
  };
}

function build(deps: EngineDeps): { provider: Provider; middleware: Middleware } {
  const keys = deps.signingKeys
    .published()
    .map(({ kid, alg, privateKey }) => new LocalSigningKey({ kid, alg, privateKey }, deps.signingMode));
  const configuration = deps.configuration();
  const provider = new Provider(configuration.issuer, createConfiguration(configuration, { keys }));
  registerGrants(provider, deps);
  rememberClients(provider, createFindActive(deps));
  acceptEarlierHints(provider);
  keepFailures(provider);
  return { provider, middleware: compose(provider.middleware as never) as unknown as Middleware };
}

export function createEngine(deps: EngineDeps) {
  let current = build(deps);
  const middleware: Middleware = function engine(ctx, next) {
    return current.middleware(ctx, next);
  };
  return {
    /** The current engine, for the pages that finish interactions. */
    provider: (): Provider => current.provider,
    middleware,
    /** Builds an engine on the published keys; requests under way finish on the old one. */
    rebuild(): void {
      current = build(deps);
    },
  };
}

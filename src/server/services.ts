/** The services that answer requests: what people change themselves, the token service, and the engine. */
import { createIdentityAssertions } from '../clients/identity-assertions.ts';
import { createIssuerKeys, MAX_KEY_SET } from '../clients/issuer-keys.ts';
import { createDomains } from '../connections/domains.ts';
import type { Logger } from '../http/log.ts';
import type { Views } from '../http/views.ts';
import { createPages } from '../interaction/index.ts';
import { createGetJson } from '../outgoing/get-json.ts';
import { createEngineHandle } from '../provider/engine-handle.ts';
import { createProviderParts } from '../provider/provider.ts';
import { createFeed } from '../registry/feed.ts';
import { createTokenService } from '../tokens/service.ts';
import type { Foundations } from './foundations.ts';
import { createSelfAdministration } from './self-administration.ts';

export type Services = ReturnType<typeof createServices>;

/** @param views pages that the engine asks for by itself */
export function createServices(foundations: Foundations, views: Views, log: Logger) {
  const known = { ...foundations, ...createSelfAdministration(foundations, log) };
  const { agentTargets, now } = known;
  const getJson = createGetJson({ targets: agentTargets, maxBytes: MAX_KEY_SET, now });
  const issuerKeys = createIssuerKeys({ getJson, now });
  const tokenService = createTokenService({
    ...known,
    identityAssertions: createIdentityAssertions({ ...known, ...known.storage, issuerKeys }),
    domains: createDomains(known),
    engine: createEngineHandle(() => provider.engine.provider()),
  });
  const provider = createProviderParts({ ...known, service: tokenService, pages: createPages({ views }) });
  return { ...known, tokenService, provider, feed: createFeed(known) };
}

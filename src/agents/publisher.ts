import type { Application } from '../nouns/index.ts';

/** The host of the URL that an agent is known by. Undefined: it registered, so only its own word says who made it. */
export function publisherOf({
  agent,
  clientId,
}: Pick<Application, 'agent' | 'clientId'>): string | undefined {
  return agent?.kind === 'document' ? new URL(clientId).host : undefined;
}

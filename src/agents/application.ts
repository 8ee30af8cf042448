/** The application that an agent becomes: what it says about itself, within what the application for agents may do. */
import { randomUUID } from 'node:crypto';
import type { Application } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';
import { type AgentKind, hashOfFacts, type SaidFacts } from './document.ts';

/** The origins of its pages: they call the token endpoint. */
function originsOf(redirectUris: readonly string[]): string[] {
  const urls = redirectUris.map((uri) => new URL(uri));
  return [...new Set(urls.filter(({ protocol }) => /^https?:$/.test(protocol)).map(({ origin }) => origin))];
}

/**
 * @param template the application that its organization names for agents
 * @param before what is known of it: while it says the same, it is the same
 */
export function toAgentFields(
  facts: SaidFacts,
  template: Application,
  kind: AgentKind,
  before?: Application['agent'],
) {
  const document = hashOfFacts(facts);
  const { name, redirectUris, grants, authMethod, native, homepage, jwks } = facts;
  const { id: registeredThrough, organization, realm, resource, ceilings, scopes } = template;
  return {
    organization,
    displayName: name,
    authMethod,
    grants,
    scopes,
    redirectUris,
    allowedOrigins: originsOf(redirectUris),
    native,
    realm,
    ceilings,
    registeredThrough,
    agent: { kind, id: before?.document === document ? before.id : randomUUID(), document },
    ...defined({ resource, homepage, jwks }),
  };
}

/** Unique in the organization, where two agents may choose one name. */
export const toAgentName = ({ name }: Pick<SaidFacts, 'name'>, id: string): string => `${name} (${id})`;

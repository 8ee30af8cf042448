/** What a person agreed to, as the engine's Grant keeps it: which tables of which resource, and to which application. */

import type { Application } from '../nouns/index.ts';
import { TABLE_ACCESS } from '../permissions/authorization-details.ts';
import { NOTHING, type Permissions, union } from '../permissions/permissions.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';

/** The members of the engine's Grant that are used. */
export interface Consent {
  readonly accountId?: string | undefined;
  readonly clientId?: string | undefined;
  /** Seconds: when it began. */
  readonly iat?: number | undefined;
  rar?: unknown;
  addOIDCScope(scope: string): void;
  addResourceScope(resource: string, scope: string): void;
  destroy(): Promise<unknown>;
}

/** All that a person agreed to with one application. */
export interface Agreed {
  /** OpenID Connect scopes. */
  readonly openid: readonly string[];
  /** By the resource's identifier. */
  readonly resources: ReadonlyMap<
    string,
    { readonly scopes: readonly string[]; readonly permissions: Permissions }
  >;
}

interface AgreedTables extends StoredPermissions {
  readonly type: typeof TABLE_ACCESS;
  readonly locations: readonly [resource: string];
  /** `agent.id` of the agent that the person saw. */
  readonly agent?: string;
}

function agreements({ rar }: Consent): readonly AgreedTables[] {
  return (rar ?? []) as readonly AgreedTables[];
}

/** @param resource its identifier */
export function findAgreed(consent: Consent, resource: string): Permissions {
  const here = agreements(consent).find(({ locations }) => locations[0] === resource);
  return here ? fromStored(here) : NOTHING;
}

/** What is agreed to with what was before, unless both have more alternatives than can be kept. */
export function addAgreed(before: Permissions, permissions: Permissions): Permissions {
  const both = union(before, permissions);
  return both.isCut ? permissions : both;
}

/** Whether it was given to an agent as it describes itself, where the application is one. */
export function isOfAgent(consent: Consent, resource: string | undefined, { agent }: Application): boolean {
  return (
    !agent ||
    agreements(consent).some(({ locations, agent: seen }) => locations[0] === resource && seen === agent.id)
  );
}

/**
 * Adds to what was agreed to before. The caller saves the consent.
 * @param application that the page showed
 */
export function agree(
  consent: Consent,
  resource: string,
  permissions: Permissions,
  { agent }: Pick<Application, 'agent'> = {},
): void {
  const agreed: AgreedTables = {
    type: TABLE_ACCESS,
    locations: [resource],
    ...(agent && { agent: agent.id }),
    ...toStored(addAgreed(findAgreed(consent, resource), permissions)),
  };
  const others = agreements(consent).filter(({ locations }) => locations[0] !== resource);
  consent.rar = [...others, agreed];
}

/** Adds all of it to what was agreed to before. The caller saves the consent. */
export function agreeToAll(consent: Consent, { openid, resources }: Agreed): void {
  if (openid.length > 0) consent.addOIDCScope(openid.join(' '));
  for (const [resource, { scopes, permissions }] of resources) {
    if (scopes.length > 0) consent.addResourceScope(resource, scopes.join(' '));
    agree(consent, resource, permissions);
  }
}

/** Takes back all that was agreed to. The caller saves the consent. */
export function clear(consent: Consent): void {
  Object.assign(consent, { openid: undefined, resources: undefined, rar: undefined });
}

/** A `client_id` made anew inherits nothing: what was agreed to before was agreed to with another application (MT-04). */
export function isOlder({ iat }: Consent, { createdAt }: Application): boolean {
  return ((iat ?? 0) + 1) * 1000 <= createdAt;
}

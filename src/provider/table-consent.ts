/**
 * Which tables an authorization request is about, and which of them the person has agreed to. One place for all who
 * must mean the same: the page that shows them, the consent that remembers them, the check that asks again when they
 * have become more. What is agreed to is kept in the engine's Grant.
 */
import type { Resource } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { contains, intersect, type Permissions } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { findRights } from '../rights/rights.ts';
import { defined } from '../storage/defined.ts';
import { singleResource } from '../tokens/asked.ts';
import { type Consent, findAgreed } from '../tokens/consent.ts';
import type { Agreement } from '../tokens/remembered-consents.ts';
import { keptOf } from './authorization-request.ts';
import type { ProviderDeps } from './deps.ts';

export interface AskedTables {
  readonly resource: Resource;
  readonly permissions: Permissions;
}

/** An authorization request after `authorization-request.ts` has brought it into one spelling. */
export interface TableRequest {
  readonly params: Readonly<Record<string, unknown>>;
  readonly clientId: string;
  /** The person's subject. */
  readonly accountId: string;
}

/** Undefined if the request is about no resource, or about one that this person has nothing of through this client. */
export type FindAskedTables = (request: TableRequest) => Promise<AskedTables | undefined>;

export function createFindAskedTables({
  directory,
  agents,
  users,
}: Pick<ProviderDeps, 'directory' | 'agents' | 'users'>): FindAskedTables {
  return async ({ params, clientId, accountId }) => {
    const identifier = singleResource(params.resource);
    if (identifier === undefined) return undefined;
    const view = await directory.view();
    const [client, resource, user] = await Promise.all([
      agents.find(view, { clientId, resource: identifier }),
      view.findResource(identifier),
      users.findBySubject(accountId),
    ]);
    const rights = client && resource && user && (await findRights(view, client.application, resource, user));
    if (!resource || !rights) return undefined;
    const tables = keptOf(params)?.tables;
    // What is asked for without limits, or not named at all, means what there is of it, so that has to be agreed to.
    const { permissions: held } = rights;
    return { resource, permissions: tables ? intersect(fromStored(tables), held) : held };
  };
}

export function isAgreed(consent: Consent, { resource, permissions }: AskedTables): boolean {
  return contains(findAgreed(consent, resource.identifier), permissions);
}

/** All that a request asks for, for one consent. @param tables as they were shown */
export function toAgreement(params: TableRequest['params'], tables: AskedTables | undefined): Agreement {
  const scopes = scopesOf(params.scope);
  return {
    openid: scopes.filter(isOpenIdScope),
    ...defined({
      resource: tables && {
        of: tables.resource,
        scopes: scopes.filter((scope) => !isOpenIdScope(scope)),
        permissions: tables.permissions,
      },
    }),
  };
}

/** The organization as a client of its own, which may do everything with each of its resources. */

import { eachNoun } from '../../directory/collections.ts';
import type { Organization } from '../../nouns/index.ts';
import { ORGANIZATION_CLIENT } from '../../nouns/names.ts';
import { EVERYTHING } from '../../permissions/permissions.ts';
import { toStored } from '../../permissions/stored.ts';
import { defined } from '../../storage/defined.ts';
import type { ApplyOrganization } from '../schema.ts';
import { checkClientId, planCredentials, WITHOUT_CREDENTIALS } from './applications.ts';
import { addNoun } from './noun.ts';
import type { Plan, Planning } from './plan.ts';

export async function planOrganizationClient(
  plan: Plan,
  organization: Organization,
  entry: ApplyOrganization,
  deps: Pick<Planning, 'clientSecrets' | 'resetPasswords' | 'now'>,
): Promise<void> {
  const { store } = plan;
  const named = await store.applications.findBy('name', `${organization.id}/${ORGANIZATION_CLIENT}`);
  const before = named?.isOrganization ? named : undefined;
  const clientId = entry.clientId ?? before?.clientId;
  const name = `organization ${organization.name}`;
  if (named && !before && clientId !== undefined) {
    plan.problems.push(
      `${name} has an application named ${ORGANIZATION_CLIENT}, which is the name of its own client`,
    );
    return;
  }
  if (clientId === undefined) {
    if (entry.clientSecret !== undefined) plan.problems.push(`${name} has a clientSecret without a clientId`);
    return;
  }
  checkClientId(plan, name, clientId, before);
  const identifiers = new Set<string>();
  for await (const { identifier, registeredBy } of eachNoun(store.resources, organization.id)) {
    if (registeredBy === undefined && !plan.removals.has(identifier)) identifiers.add(identifier);
  }
  for (const { identifier } of entry.resources ?? []) identifiers.add(identifier);
  const scopes = new Set<string>();
  for (const identifier of identifiers) {
    for (const scope of (await plan.findResource(organization.id, identifier))?.scopes ?? [])
      scopes.add(scope);
  }
  const [resource] = identifiers;
  const permissions = toStored(EVERYTHING);
  const authMethod = 'client_secret_basic';
  const { generated, ...credentials } = planCredentials(plan, name, authMethod, entry, before, deps);
  const given = {
    organization: organization.id,
    name: ORGANIZATION_CLIENT,
    isOrganization: true,
    realm: `organization:${organization.id}`,
    clientId,
    ...WITHOUT_CREDENTIALS,
    ...credentials,
    grants: ['client_credentials'],
    scopes: [...scopes],
    resource,
    ceilings: [...identifiers].map((identifier) => ({ resource: identifier, permissions })),
  } as const;
  const sources = { entry: {}, before, given };
  await addNoun(plan, 'applications', `${name} as a client`, sources, defined({ generated }));
}

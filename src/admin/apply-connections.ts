/** Connections of an apply file. What they stand on (application, resource, owner) is fixed once they are made. */
import type { ApplyConnection } from '../config/apply-file.ts';
import { createSecret, DEFAULT_LIFETIME } from '../connections/connections.ts';
import { findableUsername } from '../directory/usernames.ts';
import { toStored } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Application, Connection, Organization } from '../storage/nouns.ts';
import { checkRights, NOTHING_STORED } from './apply-organizations.ts';
import { createNounId, type Plan } from './apply-plan.ts';

export interface ConnectionDeps {
  readonly store: Pick<DirectoryStore, 'connections'>;
  /** Milliseconds. */
  readonly now: () => number;
}

type Standing = Pick<Connection, 'application' | 'resource' | 'owner'>;

export async function planConnection(
  plan: Plan,
  organization: Organization,
  entry: ApplyConnection,
  { store, now }: ConnectionDeps,
): Promise<void> {
  const name = `connection ${organization.name}/${entry.name}`;
  const before = await store.connections.findBy('name', `${organization.id}/${entry.name}`);
  const standing = await findStanding(plan, name, organization, entry, before);
  if (!standing) return;
  const { permissions, scopes } = entry;
  await checkRights(plan, name, standing.resource, {
    ...(permissions && { permissions }),
    ...(scopes && { scopes }),
  });
  const id = before?.id ?? createNounId();
  const createdAt = before?.createdAt ?? now();
  const made = before ? undefined : createSecret(id, createdAt);
  const maxTokenTtl = entry.maxTokenTtl ?? before?.maxTokenTtl;
  const expiresAt = expiryOf(entry, before, createdAt);
  plan.add(
    'connections',
    name,
    before,
    {
      id,
      createdAt,
      organization: organization.id,
      name: entry.name,
      enabled: entry.enabled ?? before?.enabled ?? true,
      ...standing,
      scopes: scopes ?? before?.scopes ?? [],
      permissions: permissions ? toStored(permissions) : (before?.permissions ?? NOTHING_STORED),
      secrets: before?.secrets ?? (made ? [made.secret] : []),
      networks: entry.networks ?? before?.networks ?? [],
      ...(expiresAt !== undefined && { expiresAt }),
      ...(maxTokenTtl !== undefined && { maxTokenTtl }),
    },
    made ? { generated: { kind: 'connectionToken', value: made.token } } : {},
  );
}

/** Counted from when it was made; a file that is applied again changes nothing. */
function expiryOf(
  { lifetime }: ApplyConnection,
  before: Connection | undefined,
  createdAt: number,
): number | undefined {
  if (lifetime !== undefined) return createdAt + lifetime * 1000;
  return before ? before.expiresAt : createdAt + DEFAULT_LIFETIME;
}

async function findStanding(
  plan: Plan,
  name: string,
  organization: Organization,
  entry: ApplyConnection,
  before: Connection | undefined,
): Promise<Standing | undefined> {
  const application = await plan.findApplication(organization.id, entry.application);
  if (!application) {
    plan.problems.push(`${name}: the organization has no application ${entry.application}`);
    return undefined;
  }
  const resource = entry.resource ?? before?.resource ?? application.resource;
  if (resource === undefined) {
    plan.problems.push(`${name} needs a resource, because its application has none of its own`);
    return undefined;
  }
  if (!application.ceilings.some((ceiling) => ceiling.resource === resource)) {
    plan.problems.push(`${name} is for ${resource}, for which its application may not have tokens`);
  }
  const owner = await findOwner(plan, name, application, entry, before);
  return { application: application.id, resource, ...(owner !== undefined && { owner }) };
}

async function findOwner(
  plan: Plan,
  name: string,
  { realm }: Application,
  { owner }: ApplyConnection,
  before: Connection | undefined,
): Promise<string | undefined> {
  if (owner === undefined) return before?.owner;
  const username = findableUsername(owner);
  const user = username === undefined ? undefined : await plan.findUser(realm, username);
  if (!user) plan.problems.push(`${name}: its application has no user ${owner}`);
  return user?.id;
}

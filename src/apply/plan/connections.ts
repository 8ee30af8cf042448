/** Connections of an apply file. What they stand on (application, resource, owner) is fixed once they are made. */
import { createSecret } from '../../connections/connections.ts';
import { type Application, type Connection, catalogueOf, type Organization } from '../../nouns/index.ts';
import { findableUsername } from '../../nouns/usernames.ts';
import { withinCatalogue } from '../../permissions/catalogue.ts';
import { difference, listCells, type Permissions } from '../../permissions/permissions.ts';
import { fromStored, type StoredPermissions } from '../../permissions/stored.ts';
import { defined } from '../../storage/defined.ts';
import type { ApplyConnection } from '../schema.ts';
import { addNoun } from './noun.ts';
import { checkRights } from './organizations.ts';
import type { Extras, Plan, Planning } from './plan.ts';

type Standing = Pick<Connection, 'application' | 'resource'> & { readonly owner: string | undefined };

/** Rights and scopes of a connection that tokens made from it will never have, as ends of sentences. */
async function findUseless(
  plan: Plan,
  { organization, application: id, resource, permissions, scopes }: Connection,
): Promise<string[]> {
  const application = await plan.lookup.applications.get(id);
  if (!application) return [];
  const useless: string[] = [];
  const ceiling = application.ceilings.find((each) => each.resource === resource)?.permissions;
  const of = await plan.findResource(organization, resource);
  // A table and a group that has it are compared as tables.
  const inTables = (stored: StoredPermissions): Permissions =>
    of ? withinCatalogue(fromStored(stored), catalogueOf(of)) : fromStored(stored);
  const { isAdmin, cells } = difference(inTables(permissions), inTables(ceiling ?? permissions));
  const beyond = isAdmin ? 'admin of the resource' : listCells(cells);
  if (beyond) useless.push(`gives more than the ceiling of application ${application.name}: ${beyond}`);
  const unknown = scopes.filter((scope) => !application.scopes.includes(scope));
  if (unknown.length > 0) {
    useless.push(`gives scopes that application ${application.name} does not have: ${unknown.join(' ')}`);
  }
  const partners = await Promise.all(
    application.mayExchange.map((partner) => plan.lookup.applications.get(partner)),
  );
  if (![application, ...partners].some((each) => each?.grants.includes('token_exchange'))) {
    useless.push(
      `cannot be used: neither application ${application.name} nor one that its mayExchange names has the grant token_exchange`,
    );
  }
  return useless;
}

export async function planConnection(
  plan: Plan,
  organization: Organization,
  entry: ApplyConnection,
  { now }: Pick<Planning, 'now'>,
): Promise<void> {
  const name = `connection ${organization.name}/${entry.name}`;
  const before = await plan.findBefore('connections', 'name', `${organization.id}/${entry.name}`);
  const standing = await findStanding(plan, name, organization, entry, before);
  if (!standing) return;
  const { permissions, scopes } = entry;
  const { resource: identifier } = standing;
  await checkRights(
    plan,
    name,
    { organization: organization.id, identifier },
    defined({ permissions, scopes }),
  );
  const id = before?.id ?? plan.newId('connections');
  const createdAt = before?.createdAt ?? now();
  const made = before ? undefined : createSecret(id, createdAt, plan.secretBytes('connectionToken', 32));
  const given = {
    id,
    createdAt,
    organization: organization.id,
    ...standing,
    secrets: before?.secrets ?? (made ? [made.secret] : []),
  };
  const extras: Extras = made ? { generated: { kind: 'connectionToken', value: made.token } } : {};
  const connection = await addNoun(plan, 'connections', name, { entry, before, given }, extras);
  for (const useless of await findUseless(plan, connection)) plan.notes.push(`${name} ${useless}`);
}

async function findStanding(
  plan: Plan,
  name: string,
  organization: Organization,
  entry: ApplyConnection,
  before: Connection | undefined,
): Promise<Standing | undefined> {
  const application = await plan.findApplication(name, organization.id, entry.application);
  if (!application) return undefined;
  const resource = entry.resource ?? before?.resource ?? application.resource;
  if (resource === undefined) {
    plan.problems.push(`${name} needs a resource, because its application has none of its own`);
    return undefined;
  }
  if (!application.ceilings.some((ceiling) => ceiling.resource === resource)) {
    // One that was made before its application lost the resource stays, and is of no use.
    const told = before ? plan.notes : plan.problems;
    told.push(`${name} is for ${resource}, for which its application may not have tokens`);
  }
  const owner = await findOwner(plan, name, application, entry, before);
  return { application: application.id, resource, owner };
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
  // The application may have got other users since the connection was made.
  const was = before?.owner === undefined ? undefined : await plan.lookup.users.get(before.owner);
  if (was && was.canonicalUsername === username) return was.id;
  const user =
    username === undefined ? undefined : await plan.lookup.users.findBy('username', `${realm}/${username}`);
  if (!user) plan.problems.push(`${name}: its application has no user ${owner}`);
  return user?.id;
}

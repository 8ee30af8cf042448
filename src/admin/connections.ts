/** Connections by hand: making one, and what there is to know of those that are there. */

import { ApplyRefused } from '../apply/apply.ts';
import { spellPermissions } from '../apply/differences.ts';
import { planConnection } from '../apply/plan/connections.ts';
import { createPlan } from '../apply/plan/plan.ts';
import type { ApplyConnection } from '../apply/schema.ts';
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { type Connections, createSecret, type ShownToken } from '../connections/connections.ts';
import type { Connection, Organization } from '../nouns/index.ts';
import { fromStored } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** Living tokens that are counted one by one. */
const COUNTED = 1_000_000;

export interface ConnectionsDeps {
  readonly store: DirectoryStore;
  readonly changes: Changes;
  readonly connections: Connections;
  /** Milliseconds. */
  readonly now: () => number;
}

/**
 * Makes one under the rules of an apply file, and shows its token instead of keeping it.
 * @throws ApplyRefused when it does not fit the store; Conflict when the name is taken
 */
export async function createConnection(
  organization: Organization,
  wanted: ApplyConnection,
  { store, changes, now }: ConnectionsDeps,
  author: Author,
): Promise<ShownToken> {
  if (await store.connections.findBy('name', `${organization.id}/${wanted.name}`)) {
    throw new ApplyRefused([`connection ${wanted.name} is there already`]);
  }
  const plan = createPlan(store);
  await planConnection(plan, organization, wanted, { store, now });
  await plan.checkReferences();
  const [step] = plan.steps;
  const after = step?.after as Connection | undefined;
  // For an apply file these are warnings; here they are errors, because the person makes one connection only.
  const problems = [...new Set([...plan.problems, ...plan.notes])];
  if (problems.length > 0 || !after) throw new ApplyRefused(problems);
  const { token, secret } = createSecret(after.id, now());
  // A connection that no apply file lists must not end with the next `apply --prune`.
  const operator = { ...author, managedBy: 'api' } as const;
  const connection = await changes.connections.create({ ...after, secrets: [secret] }, operator);
  return { connection, token };
}

/** Lines of text; no secret is among them. */
export async function describeConnection(
  connection: Connection,
  { store, connections, now }: ConnectionsDeps,
): Promise<string[]> {
  const [organization, application, owner, use, living] = await Promise.all([
    store.organizations.get(connection.organization),
    store.applications.get(connection.application),
    connection.owner === undefined ? undefined : store.users.get(connection.owner),
    connections.findUse(connection),
    connections.countLiving(connection, COUNTED),
  ]);
  const { enabled, expiresAt, secrets, networks, scopes, maxTokenTtl } = connection;
  const state = enabled ? (expiresAt !== undefined && expiresAt <= now() ? 'expired' : 'alive') : 'disabled';
  const facts: [string, string | undefined][] = [
    ['id', connection.id],
    ['application', application?.name],
    ['resource', connection.resource],
    ['owner', connection.owner === undefined ? undefined : (owner?.username ?? 'gone')],
    ['permissions', spellPermissions(fromStored(connection.permissions))],
    ['scopes', scopes.length === 0 ? undefined : scopes.join(' ')],
    ['networks', networks.length === 0 ? undefined : networks.join(', ')],
    ['its tokens live', maxTokenTtl === undefined ? undefined : `${maxTokenTtl} s at most`],
    ['expires', expiresAt === undefined ? 'when it is ended' : new Date(expiresAt).toISOString()],
    ['tokens of its own', secrets.map(({ createdAt }) => new Date(createdAt).toISOString()).join(', ')],
    ['last used', use ? `${new Date(use.at).toISOString()} from ${use.address}` : 'never'],
    ['living tokens made from it', living === COUNTED ? `${COUNTED} or more` : String(living)],
  ];
  return [
    `${organization?.name}/${connection.name}: ${state}`,
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`])),
  ];
}

/** Connections by hand: making one, and what there is to know of those that are there. */
import { ApplyRefused } from '../apply/apply.ts';
import { spellPermissions } from '../apply/differences.ts';
import { planConnection } from '../apply/plan/connections.ts';
import { Plan } from '../apply/plan/plan.ts';
import { respellEntry } from '../apply/plan/resource-spellings.ts';
import type { ApplyConnection } from '../apply/schema.ts';
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { type Connections, createSecret, type ShownToken } from '../connections/connections.ts';
import type { LastUse } from '../connections/uses.ts';
import type { Connection, Organization } from '../nouns/index.ts';
import { fromStored } from '../permissions/stored.ts';
import type { Counted, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

/** Living tokens that are counted one by one. */
const COUNTED = 1_000_000;

export interface ConnectionsDeps {
  readonly store: DirectoryStore;
  readonly issuer: string;
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
  { store, issuer, changes, now }: ConnectionsDeps,
  author: Author,
): Promise<ShownToken> {
  if (await store.connections.findBy('name', `${organization.id}/${wanted.name}`)) {
    throw new ApplyRefused([`connection ${wanted.name} is there already`]);
  }
  const plan = new Plan(store, issuer);
  await planConnection(plan, organization, await respellEntry(wanted, organization.id, store), { now });
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

/** What there is to know of a connection beside what was written. Times in milliseconds. */
export interface ConnectionUse {
  readonly state: 'alive' | 'expired' | 'disabled';
  /** When each of its tokens was made, newest first. */
  readonly secrets: readonly { readonly id: string; readonly createdAt: number }[];
  readonly lastUse?: LastUse;
  readonly tokens: Counted;
}

/** @param most living tokens that are counted */
export async function findConnectionUse(
  connection: Connection,
  { connections, now }: Pick<ConnectionsDeps, 'connections' | 'now'>,
  most: number,
): Promise<ConnectionUse> {
  const [lastUse, count] = await Promise.all([
    connections.findUse(connection),
    connections.countLiving(connection, most),
  ]);
  const { enabled, expiresAt, secrets } = connection;
  return defined({
    state: enabled ? (expiresAt !== undefined && expiresAt <= now() ? 'expired' : 'alive') : 'disabled',
    secrets: secrets.map(({ id, createdAt }) => ({ id, createdAt })),
    lastUse,
    tokens: { count, isMore: count === most },
  } as const);
}

/** Lines of text; no secret is among them. */
export async function describeConnection(connection: Connection, deps: ConnectionsDeps): Promise<string[]> {
  const { store } = deps;
  const [organization, application, owner, use] = await Promise.all([
    store.organizations.get(connection.organization),
    store.applications.get(connection.application),
    connection.owner === undefined ? undefined : store.users.get(connection.owner),
    findConnectionUse(connection, deps, COUNTED),
  ]);
  const { expiresAt, networks, scopes, maxTokenTtl } = connection;
  const { state, secrets, lastUse, tokens } = use;
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
    ['last used', lastUse ? `${new Date(lastUse.at).toISOString()} from ${lastUse.address}` : 'never'],
    ['living tokens made from it', tokens.isMore ? `${COUNTED} or more` : String(tokens.count)],
  ];
  return [
    `${organization?.name}/${connection.name}: ${state}`,
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`])),
  ];
}
